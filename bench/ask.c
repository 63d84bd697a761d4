/*
 * Asks a DNS server for the addresses of one name, in a closed loop: every answer brings on the next
 * query, so that OUTSTANDING are always under way and the server alone sets the pace.
 *
 *   ask SERVER PORT NAME OUTSTANDING SECONDS [MS]
 *
 * Ends after SECONDS, or at SIGTERM, and prints one line of JSON: how many answers there were and how many
 * a second, how many queries were lost (no answer within a second) and how many answers were wrong, and
 * how long answers took, in microseconds. With MS the same line comes every MS milliseconds as well, for
 * the time since the one before, and begins with "interval".
 *
 * An answer counts if its id is that of a query under way, its question is the one that was asked, its
 * code is 0 and it has an A record.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_OUTSTANDING = 1024,
    BATCH = 256,
    ROOM = 1500,
    HEADER = 12,
    LOST_US = 1000000,
    TYPE_A = 1,
};

struct slot {
    uint16_t id;
    int busy;
    double sent;
};

struct tally {
    long answers, lost, errors;
    double start;
    uint32_t times[LOST_US + 1];
};

static struct tally whole, part;
static struct slot slots[MOST_OUTSTANDING];
static int16_t slot_of[65536];
static unsigned char query[512], queries[BATCH][512], answers[BATCH][ROOM];
static size_t query_length;
static struct mmsghdr sending[BATCH], receiving[BATCH];
static struct iovec sending_parts[BATCH], receiving_parts[BATCH];
static int fd, outstanding, waiting;
static volatile sig_atomic_t stopped;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void stop(int signal) {
    (void)signal;
    stopped = 1;
}

static uint16_t random_id(void) {
    static uint16_t pool[512];
    static size_t used = 512;
    if (used == 512) {
        if (getrandom(pool, sizeof pool, 0) != sizeof pool) err(1, "getrandom");
        used = 0;
    }
    return pool[used++];
}

static void connect_to(const char *address, int port) {
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int is_six = strchr(address, ':') != NULL;
    void *place = is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr;
    if (inet_pton(is_six ? AF_INET6 : AF_INET, address, place) != 1)
        errx(2, "%s is no address", address);
    fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) err(1, "socket");
    /* So often it is looked whether queries are lost, where nothing comes. */
    struct timeval often = {.tv_usec = 20000};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &often, sizeof often) < 0) err(1, "SO_RCVTIMEO");
    struct sockaddr *target = is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    if (connect(fd, target, is_six ? sizeof six : sizeof four) < 0) err(1, "connect");
}

static void write_query(const char *name) {
    unsigned char *end = query + HEADER;
    memset(query, 0, sizeof query);
    query[2] = 1; /* recursion desired */
    query[5] = 1; /* one question */
    while (*name != 0) {
        size_t length = strcspn(name, ".");
        if (length == 0 || length > 63 || end + length + 6 > query + 255) errx(2, "bad name");
        *end++ = length;
        memcpy(end, name, length);
        end += length;
        name += length + (name[length] == '.');
    }
    memcpy(end, "\0\0\1\0\1", 5); /* the end of the name, A, IN */
    query_length = end + 5 - query;
}

static void prepare_messages(void) {
    for (int i = 0; i < BATCH; i++) {
        memcpy(queries[i], query, query_length);
        sending_parts[i] = (struct iovec){queries[i], query_length};
        sending[i].msg_hdr = (struct msghdr){.msg_iov = &sending_parts[i], .msg_iovlen = 1};
        receiving_parts[i] = (struct iovec){answers[i], ROOM};
        receiving[i].msg_hdr = (struct msghdr){.msg_iov = &receiving_parts[i], .msg_iovlen = 1};
    }
}

/* Asks once more in each of these slots. */
static void send_queries(const int *free_slots, int count) {
    double sent = now();
    for (int i = 0; i < count; i++) {
        struct slot *slot = &slots[free_slots[i]];
        do slot->id = random_id();
        while (slot_of[slot->id] >= 0);
        slot_of[slot->id] = free_slots[i];
        slot->busy = 1;
        slot->sent = sent;
        queries[i][0] = slot->id >> 8;
        queries[i][1] = slot->id & 255;
    }
    waiting += count;
    for (int done = 0; done < count;) {
        int n = sendmmsg(fd, sending + done, count - done, 0);
        /* An error that an earlier query came back with: that one is lost, this one not yet. */
        if (n < 0 && errno != ECONNREFUSED && errno != EINTR) err(1, "sendmmsg");
        if (n > 0) done += n;
    }
}

static size_t skip_name(const unsigned char *answer, size_t at, size_t length) {
    while (at < length && answer[at] != 0) {
        if (answer[at] >= 0xc0) return at + 2;
        at += answer[at] + 1u;
    }
    return at + 1;
}

static int is_right(const unsigned char *answer, size_t length) {
    int is_reply = length >= query_length && (answer[2] & 0x80) != 0 && (answer[3] & 15) == 0;
    if (!is_reply || answer[4] != 0 || answer[5] != 1) return 0;
    if (memcmp(answer + HEADER, query + HEADER, query_length - HEADER) != 0) return 0;
    size_t at = query_length;
    for (int left = answer[6] << 8 | answer[7]; left > 0; left--) {
        at = skip_name(answer, at, length);
        if (at + 10 > length) return 0;
        size_t size = answer[at + 8] << 8 | answer[at + 9];
        if ((answer[at] << 8 | answer[at + 1]) == TYPE_A && size == 4) return at + 14 <= length;
        at += 10 + size;
    }
    return 0;
}

static void forget(struct slot *slot) {
    slot_of[slot->id] = -1;
    slot->busy = 0;
    waiting--;
}

static void count(struct slot *slot, int right, double time) {
    double taken = time - slot->sent;
    uint32_t bucket = taken < LOST_US ? (uint32_t)taken : LOST_US;
    if (right) {
        whole.answers++, part.answers++;
        whole.times[bucket]++, part.times[bucket]++;
    } else {
        whole.errors++, part.errors++;
    }
}

/* Takes what has come; the slots that are free now, and how many. */
static int receive(int *free_slots) {
    int n = recvmmsg(fd, receiving, BATCH, MSG_WAITFORONE, NULL);
    if (n < 0 && errno != EAGAIN && errno != ECONNREFUSED && errno != EINTR) err(1, "recvmmsg");
    double time = now();
    int freed = 0;
    for (int i = 0; i < n; i++) {
        size_t length = receiving[i].msg_len;
        if (length < HEADER) continue;
        int found = slot_of[answers[i][0] << 8 | answers[i][1]];
        if (found < 0) continue; /* of a query that counts as lost */
        count(&slots[found], is_right(answers[i], length), time);
        forget(&slots[found]);
        free_slots[freed++] = found;
    }
    return freed;
}

static int give_up(int *free_slots, int freed) {
    double time = now();
    for (int i = 0; i < outstanding && freed < BATCH; i++) {
        if (!slots[i].busy || time - slots[i].sent < LOST_US) continue;
        whole.lost++, part.lost++;
        forget(&slots[i]);
        free_slots[freed++] = i;
    }
    return freed;
}

/* The time within which that many of a thousand answers came. */
static long quantile(const struct tally *tally, long of_thousand) {
    long rank = (tally->answers * of_thousand + 999) / 1000, seen = 0;
    for (long time = 0; time <= LOST_US; time++) {
        seen += tally->times[time];
        if (tally->answers > 0 && seen >= rank) return time;
    }
    return 0;
}

static void report(const struct tally *tally, const char *kind) {
    double seconds = (now() - tally->start) / 1e6;
    printf("{%s\"answers\":%ld,\"lost\":%ld,\"errors\":%ld,\"seconds\":%.3f,\"rate\":%.0f,"
           "\"p50\":%ld,\"p99\":%ld,\"max\":%ld}\n",
           kind, tally->answers, tally->lost, tally->errors, seconds, tally->answers / seconds,
           quantile(tally, 500), quantile(tally, 990), quantile(tally, 1000));
    fflush(stdout);
}

static void report_part(void) {
    report(&part, "\"interval\":true,");
    memset(&part, 0, sizeof part);
    part.start = now();
}

static void work(double seconds, double interval_us) {
    int free_slots[MOST_OUTSTANDING], freed = 0;
    double last_look = now();
    whole.start = part.start = now();
    for (int i = 0; i < outstanding; i++) {
        free_slots[freed++] = i;
        if (freed < BATCH && i < outstanding - 1) continue;
        send_queries(free_slots, freed);
        freed = 0;
    }
    while (!stopped && now() - whole.start < seconds * 1e6) {
        freed = receive(free_slots);
        if (freed == 0 || now() - last_look > 20000) {
            freed = give_up(free_slots, freed);
            last_look = now();
        }
        send_queries(free_slots, freed);
        if (interval_us > 0 && now() - part.start >= interval_us) report_part();
    }
    /* Those under way get their second, too; the rate is that of before. */
    double pause = now();
    while (waiting > 0) give_up(free_slots, receive(free_slots));
    whole.start += now() - pause;
    report(&whole, "");
}

int main(int argc, char **argv) {
    if (argc != 6 && argc != 7) errx(2, "usage: ask SERVER PORT NAME OUTSTANDING SECONDS [MS]");
    outstanding = atoi(argv[4]);
    if (outstanding < 1 || outstanding > MOST_OUTSTANDING) errx(2, "1 to 1024 can be outstanding");
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    memset(slot_of, -1, sizeof slot_of);
    write_query(argv[3]);
    prepare_messages();
    connect_to(argv[1], atoi(argv[2]));
    work(atof(argv[5]), argc == 7 ? atof(argv[6]) * 1e3 : 0);
    return 0;
}
