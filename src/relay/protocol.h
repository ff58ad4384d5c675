/* The protocol of a connection, and of the rooms that its client creates. */
#ifndef PARTY_RELAY_PROTOCOL_H
#define PARTY_RELAY_PROTOCOL_H

enum protocol {
    PROTOCOL_1 = 1, /* a clientId names a member */
    PROTOCOL_2 = 2, /* an index names a member; only its client and the relay know the clientId */
    PROTOCOL_3 = 3, /* as protocol 2, and nothing is lost when a connection dies */
};

#endif
