/* Options, threads, signals. Everything else happens in the loops. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/clock.h"
#include "net/listener.h"
#include "server/config.h"
#include "server/loop.h"
#include "server/version.h"

#define EXIT_USAGE 2
#define LAN_ADDRESSES_MAX 8

static void print_addresses(const struct config *config, uint16_t port)
{
    const char *host = config->host != NULL ? config->host : "localhost";
    bool needs_brackets = strchr(host, ':') != NULL;
    printf("party-sockets %s listening on http://%s%s%s:%u\n", PARTY_SOCKETS_VERSION,
           needs_brackets ? "[" : "", host, needs_brackets ? "]" : "", port);
    if (config->host == NULL) {
        char addresses[LAN_ADDRESSES_MAX][ADDRESS_TEXT_MAX];
        int count = listener_lan_addresses(addresses, LAN_ADDRESSES_MAX);
        for (int i = 0; i < count; i++)
            printf("  on your network: http://%s:%u\n", addresses[i], port);
    }
    fflush(stdout);
}

static bool make_loops(struct server *server)
{
    for (uint32_t i = 0; i < server->loop_count; i++) {
        server->loops[i] = loop_new(server, i);
        if (server->loops[i] == NULL)
            return false;
    }
    return true;
}

/* Runs the loops until a signal asks to stop. */
static bool run(struct server *server, const sigset_t *stop_signals)
{
    pthread_t threads[LOOPS_MAX];
    uint32_t started = 0;
    while (started < server->loop_count &&
           pthread_create(&threads[started], NULL, loop_run, server->loops[started]) == 0)
        started++;
    bool is_running = started == server->loop_count;
    if (is_running) {
        int signal_number;
        print_addresses(server->config, listener_port(server->listener_fd));
        sigwait(stop_signals, &signal_number);
    }
    for (uint32_t i = 0; i < started; i++)
        mailbox_post(&server->loops[i]->mailbox, &server->loops[i]->stop_mail);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return is_running;
}

static int serve(const struct config *config)
{
    char why[256];
    struct server server = {
        .config = config,
        .loop_count = (uint32_t)config->loops,
        .started_ms = clock_now_ms(),
    };
    /* Signals come to the main thread alone; the loops inherit the mask. */
    sigset_t stop_signals;
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGTERM);
    sigaddset(&stop_signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop_signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    server.listener_fd = listener_open(config->host, (uint16_t)config->port, why, sizeof why);
    if (server.listener_fd < 0) {
        fprintf(stderr, "party-sockets: %s\n", why);
        return EXIT_FAILURE;
    }
    bool is_ready = conn_table_init(&server.connections) && origins_init(&server.origins) &&
                    make_loops(&server);
    bool has_run = is_ready && run(&server, &stop_signals);
    if (!has_run)
        fprintf(stderr, "party-sockets: not enough memory or threads to start\n");

    for (uint32_t i = 0; i < server.loop_count; i++)
        loop_free(server.loops[i]);
    origins_release(&server.origins);
    if (server.connections.items != NULL)
        conn_table_release(&server.connections);
    close(server.listener_fd);
    return has_run ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argument_count, char **arguments)
{
    struct config config;
    char why[256];
    switch (config_read(argument_count, arguments, &config, why, sizeof why)) {
    case CONFIG_HELP:
        config_print_help();
        return EXIT_SUCCESS;
    case CONFIG_VERSION:
        printf("party-sockets %s\n", PARTY_SOCKETS_VERSION);
        return EXIT_SUCCESS;
    case CONFIG_INVALID:
        fprintf(stderr, "party-sockets: %s\n", why);
        return EXIT_USAGE;
    case CONFIG_RUN:
        break;
    }
    return serve(&config);
}
