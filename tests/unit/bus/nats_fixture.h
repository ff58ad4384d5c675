/* What the tests over a nats-server share. Each test has a server of its own. */
#ifndef PARTY_TESTS_UNIT_BUS_NATS_FIXTURE_H
#define PARTY_TESTS_UNIT_BUS_NATS_FIXTURE_H

#include "bus/bus_nats.h"
#include "bus/nats_server.h"

#define LONG_MS 10000 /* for what must come */
#define LOOK_MS 5     /* between two looks at something that must come */

/* Set-up and teardown of a test; its state is the server. The test is skipped without the program.
 */
int start_server(void **state);
int end_server(void **state);

/* A server without any settings that runs; skips the test if the program is not here. */
struct nats_server *server_of(void **state);

/* A bus of the cluster `red`. */
struct bus_nats_options options_for(const struct nats_server *server);
struct bus *open_bus(const struct nats_server *server);
void close_bus(struct bus *bus);

uint64_t now_ms(void);

/* Waits until both halves of the bus are connected, or neither. */
void wait_for_connection(struct bus *bus, bool is_connected);

enum bus_outcome publish(struct bus *bus, const char *subject, const char *text);

/* The next message must be this one. */
void expect_message(struct bus *bus, struct bus_subscription *subscription, const char *text);
void expect_reading(struct bus *bus, struct bus_subscription *subscription,
                    enum bus_reading reading);

/* Reads the map, which must succeed. */
void read_map(struct bus *bus, struct bus_entries *ret_entries);
enum bus_outcome write_map(struct bus *bus, const char *text, uint64_t expected);
enum bus_outcome write_lease(struct bus *bus, const char *key, const char *text,
                             uint64_t *ret_revision);
void expect_text(struct bytes found, const char *text);

#endif
