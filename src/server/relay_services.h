/* The callbacks by which the relay asks its loop; see `struct relay_config`. */
#ifndef PARTY_SERVER_RELAY_SERVICES_H
#define PARTY_SERVER_RELAY_SERVICES_H

#include "server/loop.h"

/* Initialises the loop's relay with the server's options. */
void relay_services_init(struct loop *loop);

#endif
