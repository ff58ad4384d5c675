/* A nats-server of a test's own, in a temporary folder, on a port that the kernel chooses. */
#ifndef PARTY_TESTS_UNIT_BUS_NATS_SERVER_H
#define PARTY_TESTS_UNIT_BUS_NATS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#define NATS_PATH_MAX 256
#define NATS_URL_MAX 64

struct nats_server {
    pid_t pid; /* 0: it does not run */
    int port;  /* stays the same from the first start on */
    char folder[NATS_PATH_MAX];
    char url[NATS_URL_MAX];
};

/* Whether the program is here. */
bool nats_server_is_here(void);

/* Makes the folder. `settings`: lines of nats-server's configuration. Fails the test if it can't.
 */
void nats_server_init(struct nats_server *server, const char *settings);

/* Other lines, for its next start. */
void nats_server_configure(const struct nats_server *server, const char *settings);

/* A file in the server's folder. */
void nats_server_path(const struct nats_server *server, const char *name,
                      char ret_path[NATS_PATH_MAX]);

/* Runs a program to its end, which must be good. */
void run_program(char *const arguments[]);

/* Returns when it accepts connections. */
void nats_server_start(struct nats_server *server);

/* Returns when the signal has been handled: stopped, going on, or ended. */
void nats_server_pause(const struct nats_server *server);
void nats_server_go_on(const struct nats_server *server);
void nats_server_kill(struct nats_server *server);

/* Removes what the server has stored. It must not run. */
void nats_server_lose_data(const struct nats_server *server);

/* Ends it if it runs, and removes the folder. */
void nats_server_release(struct nats_server *server);

#endif
