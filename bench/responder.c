/*
 * The floor of a DNS server: answers every query for an address with 10.0.0.1, and does nothing else.
 *
 *   responder ADDRESS PORT          one system call for each packet, in and out
 *   responder ADDRESS PORT BATCH    up to BATCH packets with one call (recvmmsg, sendmmsg)
 *
 * Says "ready" when it listens. IPv4, one thread.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 256, ROOM = 1500, HEADER = 12 };

/* Its owner is the question's name; A, IN, TTL 1. */
static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 10, 0, 0, 1};
static unsigned char packets[MOST][ROOM];

static int listen_at(const char *address, int port) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, address, &here.sin_addr) != 1) errx(2, "%s is no address", address);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) err(1, "socket");
    if (bind(fd, (struct sockaddr *)&here, sizeof here) < 0) err(1, "bind");
    puts("ready");
    fflush(stdout);
    return fd;
}

/* Makes an answer of a query; its length, or 0: none. */
static size_t answer(unsigned char *packet, size_t length) {
    size_t end = HEADER;
    while (end < length && packet[end] != 0) end += packet[end] + 1u;
    end += 5;
    if (length < HEADER || end > length || end + sizeof record > ROOM) return 0;
    if ((packet[2] & 0x80) != 0) return 0;
    int has_answer = packet[end - 3] == 1;
    packet[2] |= 0x84;
    packet[3] = 0x80;
    memset(packet + 6, 0, 6);
    packet[7] = has_answer;
    if (!has_answer) return end;
    memcpy(packet + end, record, sizeof record);
    return end + sizeof record;
}

static void one_by_one(int fd) {
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t length = recvfrom(fd, packets[0], ROOM, 0, (struct sockaddr *)&from, &size);
        if (length < 0) err(1, "recvfrom");
        size_t ours = answer(packets[0], length);
        if (ours > 0) sendto(fd, packets[0], ours, 0, (struct sockaddr *)&from, size);
    }
}

static void in_batches(int fd, int batch) {
    static struct sockaddr_in from[MOST];
    static struct iovec parts[MOST], answer_parts[MOST];
    static struct mmsghdr received[MOST], answers[MOST];
    for (int i = 0; i < batch; i++) {
        parts[i] = (struct iovec){packets[i], ROOM};
        received[i].msg_hdr =
            (struct msghdr){.msg_name = &from[i], .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    for (;;) {
        for (int i = 0; i < batch; i++) received[i].msg_hdr.msg_namelen = sizeof from[i];
        int n = recvmmsg(fd, received, batch, MSG_WAITFORONE, NULL), ready = 0;
        if (n < 0) err(1, "recvmmsg");
        for (int i = 0; i < n; i++) {
            size_t ours = answer(packets[i], received[i].msg_len);
            if (ours == 0) continue;
            answer_parts[ready] = (struct iovec){packets[i], ours};
            answers[ready].msg_hdr = received[i].msg_hdr;
            answers[ready].msg_hdr.msg_iov = &answer_parts[ready];
            ready++;
        }
        if (ready > 0) sendmmsg(fd, answers, ready, 0);
    }
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4) errx(2, "usage: responder ADDRESS PORT [BATCH]");
    int batch = argc == 4 ? atoi(argv[3]) : 1;
    if (batch < 1 || batch > MOST) errx(2, "a batch has 1 to %d packets", MOST);
    int fd = listen_at(argv[1], atoi(argv[2]));
    if (batch == 1) one_by_one(fd);
    in_batches(fd, batch);
    return 0;
}
