/* Which protocol a connection speaks, and with it the room that it creates. */
#ifndef PARTY_RELAY_PROTOCOL_H
#define PARTY_RELAY_PROTOCOL_H

enum protocol {
    PROTOCOL_1 = 1, /* members are known by their clientId */
    PROTOCOL_2 = 2, /* members are known by an index; the clientId stays between client and relay */
};

#endif
