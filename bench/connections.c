/*
 * New TCP connections per second, as many as one client and one server can make.
 *
 *   connections serve ADDRESS PORT COUNT          listens on COUNT ports from PORT on, says "ready"
 *   connections ask ADDRESS PORT MS OUTSTANDING   connects again and again for MS milliseconds, with
 *                                                 OUTSTANDING connections under way; prints how many
 *                                                 a second were answered
 *
 * The server sends one byte and closes; the client resets, so that neither side keeps the connection in
 * mind. An address with ":" is IPv6.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256 };

static struct sockaddr_storage target;
static socklen_t target_length;
static int queue;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static void set_target(const char *address, int port) {
    struct sockaddr_in *four = (struct sockaddr_in *)&target;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&target;
    memset(&target, 0, sizeof target);
    if (strchr(address, ':') != NULL) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        if (inet_pton(AF_INET6, address, &six->sin6_addr) != 1) errx(2, "%s is no address", address);
        target_length = sizeof *six;
    } else {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        if (inet_pton(AF_INET, address, &four->sin_addr) != 1) errx(2, "%s is no address", address);
        target_length = sizeof *four;
    }
}

static void watch(int fd, int events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) < 0) err(1, "epoll_ctl");
}

static int new_socket(void) {
    int fd = socket(target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) err(1, "socket");
    return fd;
}

static void serve(const char *address, int port, int count) {
    struct epoll_event events[EVENTS];
    int one = 1;
    for (int i = 0; i < count; i++) {
        set_target(address, port + i);
        int fd = new_socket();
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&target, target_length) < 0) err(1, "bind");
        if (listen(fd, 4096) < 0) err(1, "listen");
        watch(fd, EPOLLIN);
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(queue, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int client;
            while ((client = accept4(events[i].data.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                if (send(client, "x", 1, MSG_NOSIGNAL) < 0 && errno != ECONNRESET && errno != EPIPE)
                    err(1, "send");
                close(client);
            }
        }
    }
}

static void begin(void) {
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int fd = new_socket();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(fd, (struct sockaddr *)&target, target_length) < 0 && errno != EINPROGRESS)
        err(1, "connect");
    watch(fd, EPOLLIN);
}

static void ask(int milliseconds, int outstanding) {
    struct epoll_event events[EVENTS];
    long answered = 0, failed = 0;
    char byte;
    for (int i = 0; i < outstanding; i++) begin();
    double start = now(), end = start + milliseconds;
    while (now() < end) {
        int n = epoll_wait(queue, events, EVENTS, 100);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (recv(fd, &byte, 1, 0) == 1) answered++;
            else failed++;
            close(fd);
            begin();
        }
        if (failed > 1000) errx(1, "%ld connections failed", failed);
    }
    if (failed > 0) warnx("%ld connections failed", failed);
    printf("%.0f\n", answered * 1e3 / (now() - start));
}

int main(int argc, char **argv) {
    queue = epoll_create1(EPOLL_CLOEXEC);
    if (argc == 5 && strcmp(argv[1], "serve") == 0) {
        serve(argv[2], atoi(argv[3]), atoi(argv[4]));
    } else if (argc == 6 && strcmp(argv[1], "ask") == 0) {
        set_target(argv[2], atoi(argv[3]));
        ask(atoi(argv[4]), atoi(argv[5]));
    } else {
        errx(2, "usage: connections serve ADDRESS PORT COUNT | ask ADDRESS PORT MS OUTSTANDING");
    }
    return 0;
}
