/* What the relay can't know by itself, and asks its loop for; see `struct relay_config`. */
#ifndef PARTY_SERVER_RELAY_SERVICES_H
#define PARTY_SERVER_RELAY_SERVICES_H

#include "server/loop.h"

/* Begins the loop's relay, with the options of the server. */
void relay_services_init(struct loop *loop);

#endif
