/* proxy: a network that can go silent between a worker and a coordinator on one machine.
 *
 *   proxy PORT [CUT_MS]   listen on a free port of 127.0.0.1, print it, forward to PORT
 *
 * SIGUSR1: nothing is read, forwarded or accepted any more, and nobody is told: as a
 * firewall that drops, there is no RST and no FIN. SIGUSR2: it all goes on, with what
 * lay in the sockets meanwhile. SIGHUP: all connections are closed, and new ones at once
 * for CUT_MS. SIGTERM ends it.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS_MAX = 256, PIECE = 65536 };

/* Two directions are two pumps: from[i] to from[i ^ 1]. */
static int ends[2 * PAIRS_MAX];
static size_t end_count;
static bool silent;
static long long cut_ms, cut_until_ms;

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void must(bool held, const char *what)
{
    if (held)
        return;
    fprintf(stderr, "proxy: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_in local(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int open_listener(void)
{
    struct sockaddr_in address = local(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
             listen(fd, 128) == 0 &&
             getsockname(fd, (struct sockaddr *)&address, &size) == 0,
         "cannot listen");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void take_connection(int listener, int port)
{
    struct sockaddr_in address = local(port);
    int here = accept(listener, NULL, NULL);
    int there = socket(AF_INET, SOCK_STREAM, 0);

    if (here < 0 || there < 0 || now_ms() < cut_until_ms || end_count == 2 * PAIRS_MAX ||
        connect(there, (struct sockaddr *)&address, sizeof address) != 0) {
        close(here);
        close(there);
        return;
    }
    ends[end_count++] = here;
    ends[end_count++] = there;
}

/* Forward a piece; false when either side is gone. */
static bool pump(int from, int to)
{
    static char piece[PIECE];
    ssize_t got = recv(from, piece, sizeof piece, 0);

    for (ssize_t at = 0, n = 0; got > 0 && at < got; at += n) {
        n = send(to, piece + at, (size_t)(got - at), MSG_NOSIGNAL);
        if (n < 0)
            return false;
    }
    return got > 0;
}

static void close_pair(size_t pair)
{
    close(ends[2 * pair]);
    close(ends[2 * pair + 1]);
    end_count -= 2;
    ends[2 * pair] = ends[end_count];
    ends[2 * pair + 1] = ends[end_count + 1];
}

static void cut_all(void)
{
    while (end_count > 0)
        close_pair(end_count / 2 - 1);
    cut_until_ms = now_ms() + cut_ms;
}

static int open_signals(void)
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGUSR2);
    sigaddset(&mask, SIGHUP);
    must(sigprocmask(SIG_BLOCK, &mask, NULL) == 0, "cannot block signals");
    int fd = signalfd(-1, &mask, 0);
    must(fd >= 0, "cannot watch signals");
    return fd;
}

/* The pairs from the last on, since closing one moves the last into its place. */
static void forward(const struct pollfd *polled)
{
    for (size_t pair = end_count / 2; pair-- > 0;) {
        const struct pollfd *two = polled + 2 * pair;
        bool lives = true;

        for (int side = 0; lives && side < 2; side++)
            if (two[side].revents)
                lives = pump(two[side].fd, two[side ^ 1].fd);
        if (!lives)
            close_pair(pair);
    }
}

int main(int argc, char **argv)
{
    static struct pollfd items[2 + 2 * PAIRS_MAX];
    int port = argc > 1 ? atoi(argv[1]) : 0;
    struct signalfd_siginfo info;

    must(port > 0, "usage: proxy PORT [CUT_MS]");
    cut_ms = argc > 2 ? atoi(argv[2]) : 500;
    items[0] = (struct pollfd){.fd = open_signals(), .events = POLLIN};
    items[1] = (struct pollfd){.fd = open_listener(), .events = POLLIN};
    for (;;) {
        for (size_t i = 0; i < end_count; i++)
            items[2 + i] = (struct pollfd){.fd = ends[i], .events = POLLIN};
        int got = poll(items, silent ? 1 : 2 + end_count, -1);
        must(got >= 0 || errno == EINTR, "cannot wait");
        if (got > 0 && items[0].revents && read(items[0].fd, &info, sizeof info) > 0) {
            if (info.ssi_signo == SIGHUP)
                cut_all();
            else
                silent = info.ssi_signo == SIGUSR1;
            continue;
        }
        if (silent || got <= 0)
            continue;
        forward(items + 2);
        if (items[1].revents)
            take_connection(items[1].fd, port);
    }
}
