/*
 * The kernel's floor: what attaching a program to a network costs when nothing is done but the
 * system calls themselves. Straight-line C, no error recovery, no records, no names.
 *
 * It unshares a network namespace that plays the host, makes bridges there, and obeys commands on
 * standard input. Each is answered with one line of times in microseconds.
 *
 *   attach N     N sandboxes, each: a namespace with a bind mount, a veth pair with the host end up on
 *                a bridge and eth0 born inside, lo and eth0 up, an address, a default route
 *   detach N     the last N go again: host end down, off its bridge and into a group of condemned
 *                links; the mount undone. The last number is the time until the kernel has collected all
 *
 * Arguments: a folder for the bind mounts, the number of bridges, and 4 or 6. With 4 neither end of
 * a pair has IPv6, as on a network that has IPv4 only; with 6 it stays switched on.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_SANDBOXES = 4096,
    LINK_GROUP = 0x0f100f1,
    CONDEMNED = 0x0f1dead,
    FIRST_BRIDGE = 100,
    FIRST_INDEX = 1000,
    INSIDE_INDEX = 1000,
};

static const char *folder;
static int host_namespace, host_socket, bridges, has_ipv6;
static int sandboxes;

/* Messages are put into one buffer, sent together, and answered by one ack: that of the last. */
static char buffer[8192];
static size_t used;
static struct nlmsghdr *last;

static struct nlmsghdr *message(int type, int flags, const void *header, size_t length) {
    last = (struct nlmsghdr *)(buffer + used);
    memset(last, 0, NLMSG_HDRLEN);
    last->nlmsg_type = type;
    last->nlmsg_flags = NLM_F_REQUEST | flags;
    last->nlmsg_len = NLMSG_LENGTH(length);
    memcpy(NLMSG_DATA(last), header, length);
    used += NLMSG_ALIGN(last->nlmsg_len);
    return last;
}

static struct rtattr *attribute(int type, const void *data, size_t length) {
    struct rtattr *attr = (struct rtattr *)(buffer + used);
    attr->rta_type = type;
    attr->rta_len = RTA_LENGTH(length);
    if (length > 0) memcpy(RTA_DATA(attr), data, length);
    used += RTA_ALIGN(attr->rta_len);
    last->nlmsg_len = buffer + used - (char *)last;
    return attr;
}

static void attribute_u32(int type, uint32_t value) { attribute(type, &value, sizeof value); }
static void attribute_text(int type, const char *text) { attribute(type, text, strlen(text) + 1); }
static struct rtattr *open_nest(int type) { return attribute(type, NULL, 0); }
static void close_nest(struct rtattr *nest) { nest->rta_len = buffer + used - (char *)nest; }

static void transact(int fd, const char *what) {
    char answer[4096];
    last->nlmsg_flags |= NLM_F_ACK;
    if (send(fd, buffer, used, 0) < 0) err(1, "%s: send", what);
    used = 0;
    if (recv(fd, answer, sizeof answer, 0) < 0) err(1, "%s: recv", what);
    struct nlmsgerr *result = NLMSG_DATA((struct nlmsghdr *)answer);
    if (result->error != 0) errx(1, "%s: %s", what, strerror(-result->error));
}

static int netlink_socket(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) err(1, "socket");
    return fd;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void add_address(int index, uint32_t address) {
    struct ifaddrmsg header = {.ifa_family = AF_INET, .ifa_prefixlen = 16, .ifa_index = index};
    uint32_t bytes = htonl(address);
    message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
    attribute(IFA_LOCAL, &bytes, 4);
    attribute(IFA_ADDRESS, &bytes, 4);
}

/* Without IPv6: no address of its own kind means that the link never sends a packet of that family. */
static void set_up(int index, int ipv6) {
    struct ifinfomsg header = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    uint8_t none = IN6_ADDR_GEN_MODE_NONE;
    message(RTM_NEWLINK, 0, &header, sizeof header);
    if (ipv6) return;
    struct rtattr *families = open_nest(IFLA_AF_SPEC);
    struct rtattr *family = open_nest(AF_INET6);
    attribute(IFLA_INET6_ADDR_GEN_MODE, &none, 1);
    close_nest(family);
    close_nest(families);
}

/* Otherwise the kernel makes one for each processor and waits until nobody can be using the others. */
static void one_queue(void) {
    attribute_u32(IFLA_NUM_TX_QUEUES, 1);
    attribute_u32(IFLA_NUM_RX_QUEUES, 1);
}

static uint32_t bridge_address(int bridge) { return 0x0a000001u + ((uint32_t)bridge << 16); }

static void make_bridge(int bridge) {
    char name[IFNAMSIZ];
    snprintf(name, sizeof name, "bridge%hd", (short)bridge);
    struct ifinfomsg header = {.ifi_index = FIRST_BRIDGE + bridge};
    message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
    attribute_text(IFLA_IFNAME, name);
    attribute_u32(IFLA_GROUP, LINK_GROUP);
    struct rtattr *info = open_nest(IFLA_LINKINFO);
    attribute_text(IFLA_INFO_KIND, "bridge");
    close_nest(info);
    transact(host_socket, "bridge");
    set_up(FIRST_BRIDGE + bridge, has_ipv6);
    add_address(FIRST_BRIDGE + bridge, bridge_address(bridge));
    transact(host_socket, "bridge address");
}

static void name_of(int sandbox, char *name, char *path) {
    snprintf(name, IFNAMSIZ, "floor%hd", (short)sandbox);
    snprintf(path, 256, "%s/%d", folder, sandbox);
}

static void attach(int sandbox) {
    char name[IFNAMSIZ], path[256];
    int bridge = sandbox % bridges;
    name_of(sandbox, name, path);

    close(open(path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0600));
    if (unshare(CLONE_NEWNET) < 0) err(1, "unshare");
    if (mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL) < 0) err(1, "mount");
    int namespace = open(path, O_RDONLY | O_CLOEXEC);
    int inside = netlink_socket();
    if (setns(host_namespace, CLONE_NEWNET) < 0) err(1, "setns");

    /* Indexes are chosen, so that none has to be asked for. Of a pair the kernel takes both or none. */
    struct ifinfomsg host_end = {.ifi_index = FIRST_INDEX + sandbox};
    struct ifinfomsg peer = {.ifi_index = INSIDE_INDEX};
    message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &host_end, sizeof host_end);
    attribute_text(IFLA_IFNAME, name);
    one_queue();
    attribute_u32(IFLA_MASTER, FIRST_BRIDGE + bridge);
    attribute_u32(IFLA_GROUP, LINK_GROUP);
    struct rtattr *info = open_nest(IFLA_LINKINFO);
    attribute_text(IFLA_INFO_KIND, "veth");
    struct rtattr *data = open_nest(IFLA_INFO_DATA);
    struct rtattr *other = attribute(VETH_INFO_PEER, &peer, sizeof peer);
    attribute_text(IFLA_IFNAME, "eth0");
    one_queue();
    attribute_u32(IFLA_NET_NS_FD, namespace);
    close_nest(other);
    close_nest(data);
    close_nest(info);
    set_up(FIRST_INDEX + sandbox, has_ipv6);
    transact(host_socket, "veth");

    struct rtmsg route = {.rtm_family = AF_INET,
                          .rtm_table = RT_TABLE_MAIN,
                          .rtm_protocol = RTPROT_STATIC,
                          .rtm_scope = RT_SCOPE_UNIVERSE,
                          .rtm_type = RTN_UNICAST};
    uint32_t gateway = htonl(bridge_address(bridge));
    set_up(1, 1);
    set_up(INSIDE_INDEX, has_ipv6);
    add_address(INSIDE_INDEX, bridge_address(bridge) + 1 + sandbox / bridges);
    message(RTM_NEWROUTE, NLM_F_CREATE, &route, sizeof route);
    attribute(RTA_GATEWAY, &gateway, 4);
    attribute_u32(RTA_OIF, INSIDE_INDEX);
    transact(inside, "inside");
    close(inside);
    close(namespace);
}

static void detach(int sandbox) {
    char name[IFNAMSIZ], path[256];
    name_of(sandbox, name, path);
    struct ifinfomsg header = {.ifi_index = FIRST_INDEX + sandbox, .ifi_change = IFF_UP};
    message(RTM_NEWLINK, 0, &header, sizeof header);
    attribute_u32(IFLA_MASTER, 0);
    attribute_u32(IFLA_GROUP, CONDEMNED);
    transact(host_socket, "condemn");
    if (umount2(path, MNT_DETACH) < 0 || unlink(path) < 0) err(1, "%s", path);
}

static int count_links(void) {
    static char answer[65536];
    struct ifinfomsg header = {0};
    int links = 0;
    message(RTM_GETLINK, NLM_F_DUMP, &header, sizeof header);
    if (send(host_socket, buffer, used, 0) < 0) err(1, "dump");
    used = 0;
    for (;;) {
        int left = recv(host_socket, answer, sizeof answer, 0);
        struct nlmsghdr *part = (struct nlmsghdr *)answer;
        if (left <= 0) err(1, "dump");
        for (; NLMSG_OK(part, left); part = NLMSG_NEXT(part, left)) {
            if (part->nlmsg_type == NLMSG_DONE) return links;
            links += part->nlmsg_type == RTM_NEWLINK;
        }
    }
}

static void wait_until_collected(int links) {
    for (int tries = 0; count_links() > links; tries++) {
        if (tries > 60000) errx(1, "the kernel has not collected the sandboxes after a minute");
        usleep(1000);
    }
}

static void obey(const char *command, int count) {
    int before = count_links();
    double start = now();
    for (int i = 0; i < count; i++) {
        double begin = now();
        if (strcmp(command, "attach") == 0) {
            if (sandboxes == MAX_SANDBOXES) errx(1, "too many sandboxes");
            attach(sandboxes++);
        } else if (strcmp(command, "detach") == 0) {
            if (sandboxes == 0) errx(1, "no sandbox is left");
            detach(--sandboxes);
        } else {
            errx(1, "unknown command %s", command);
        }
        printf("%.1f ", now() - begin);
    }
    if (strcmp(command, "detach") == 0) {
        wait_until_collected(before - count);
        printf("%.1f", now() - start);
    }
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 4) errx(2, "usage: floor FOLDER BRIDGES 4|6");
    folder = argv[1];
    bridges = atoi(argv[2]);
    has_ipv6 = strcmp(argv[3], "6") == 0;
    if (bridges < 1 || bridges > 64) errx(2, "there can be 1 to 64 bridges");

    if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) err(1, "unshare");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) err(1, "private mounts");
    if (mount("tmpfs", folder, "tmpfs", 0, NULL) < 0) err(1, "%s", folder);
    host_namespace = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    host_socket = netlink_socket();
    set_up(1, 1);
    transact(host_socket, "lo");
    for (int i = 0; i < bridges; i++) make_bridge(i);

    char command[16];
    int count;
    while (scanf("%15s %d", command, &count) == 2) obey(command, count);
    return 0;
}
