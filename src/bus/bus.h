/*
 * What a node of a cluster asks of an engine that joins the nodes: the seam behind which NATS is.
 *
 * The bus has two halves. *Messages* go from node to node, quickly, and may be lost: in order from
 * one node to another, each at most once. The *keyed store* keeps texts for all nodes: the map of
 * the cluster, a lease of each process, and records.
 *
 * Each call has a time limit in milliseconds, above 0, and has ended when that time is over. Calls
 * without one have BUS_WRITE_MS, and hardly ever wait.
 *
 * Threads: the keyed store and round_trip() belong to one thread, which may wait; publish() to
 * another one; a subscription to a third, or to the same. state() is for any thread. The two halves
 * do not wait for each other. The caller opens and closes the bus while no other thread uses it.
 */
#ifndef PARTY_BUS_BUS_H
#define PARTY_BUS_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/bytes.h"

#define BUS_WHY_MAX 256
#define BUS_WRITE_MS 1000
/* Bytes of texts. */
#define BUS_MESSAGE_MAX (512 << 10)
#define BUS_MAP_TEXT_MAX (64 << 10)
#define BUS_LEASE_TEXT_MAX (4 << 10)
#define BUS_RECORD_TEXT_MAX (512 << 10)
/* How many there are. */
#define BUS_MAP_HISTORY_MAX 64
#define BUS_LEASES_MAX 256
#define BUS_RECORDS_LISTED_MAX 8192

enum bus_outcome {
    BUS_DONE,
    /* Nothing was done, and nothing will be. */
    BUS_REFUSED,
    /* No answer in time, or one that settles nothing: it may have been done, or be done later. */
    BUS_UNKNOWN,
};

struct bus {
    const struct bus_functions *functions;
    char why[BUS_WHY_MAX]; /* of the last call of the keyed store that was not done */
};

/* As far as is known, which is up to 3 s late. */
struct bus_state {
    bool has_messages;    /* this half is connected */
    bool has_keys;        /* so is the keyed store */
    bool has_given_up;    /* the engine tries no more; the caller has to open another bus */
    uint64_t disconnects; /* of either half, so far */
};

/* A text of the keyed store. It belongs to the bus, and is valid until the thread's next call. */
struct bus_entry {
    struct bytes key;
    struct bytes text; /* empty: somebody deleted the entry, or it is too long */
    uint64_t revision; /* the number of its write in the map, among all leases, or all records */
};

struct bus_entries {
    uint64_t last_revision; /* of the map, or of all leases, even if that entry is gone; 0: none */
    uint32_t count;
    const struct bus_entry *entries;
};

struct bus_subscription;

enum bus_reading {
    BUS_NOTHING, /* nothing has come in time */
    BUS_MESSAGE,
    BUS_GAP,    /* messages were lost: newer ones than all that were read so far */
    BUS_CLOSED, /* nothing will come; see `has_given_up` */
};

struct bus_functions {
    /*
     * `subject`: words of letters, digits, '-' and '_' with dots between them, BUS_SUBJECT_MAX
     * bytes at most. All nodes of the cluster use the same subjects, and no other cluster does.
     *
     * Done says that the engine has the message, and nothing more. Refused: there is no
     * connection, the message is too long, or memory is short. When the engine can't get rid of it
     * in BUS_WRITE_MS, this is unknown, and the connection begins anew. A message that was refused
     * never arrives; one of a server that stands still may be 3 s late, until this is noticed.
     */
    enum bus_outcome (*publish)(struct bus *bus, const char *subject, struct bytes text);

    /*
     * Messages on the subject wait for the reader: so many messages and bytes at most, both above
     * 0; what comes beyond that is lost, and a gap tells so. So does a gap when the connection was
     * lost meanwhile. NULL: it can't be. The caller ends the subscription before it closes the bus.
     * To begin and to end a subscription may take BUS_WRITE_MS.
     */
    struct bus_subscription *(*subscribe)(struct bus *bus, const char *subject,
                                          uint32_t messages_max, uint32_t bytes_max);
    /* The text belongs to the subscription, and is valid until its next call. */
    enum bus_reading (*read)(struct bus_subscription *subscription, uint32_t wait_ms,
                             struct bytes *ret_text);
    void (*unsubscribe)(struct bus_subscription *subscription);

    void (*state)(struct bus *bus, struct bus_state *ret_state);

    /* Microseconds from here to the engine's server and back. Done or unknown. */
    enum bus_outcome (*round_trip)(struct bus *bus, uint32_t most_ms, uint64_t *ret_us);

    /*
     * The last BUS_MAP_HISTORY_MAX entries of the map, in order. What was acknowledged before the
     * call is among them. Done or unknown.
     */
    enum bus_outcome (*map_read)(struct bus *bus, uint32_t most_ms,
                                 struct bus_entries *ret_entries);
    /*
     * Refused: the map's last revision is not the expected one, 0 for a map without any, or the
     * entry there is not the one that map_read() read, but one of a map that was made anew. Also
     * refused: a text of more than BUS_MAP_TEXT_MAX bytes.
     */
    enum bus_outcome (*map_write)(struct bus *bus, struct bytes text, uint64_t expected_revision,
                                  uint32_t most_ms, uint64_t *ret_revision);

    /*
     * `key`: like a subject, BUS_KEY_MAX bytes at most. Of more than BUS_LEASES_MAX leases those
     * are forgotten that have not been written for longest. Refused: the text is too long, or the
     * key none.
     */
    enum bus_outcome (*lease_write)(struct bus *bus, const char *key, struct bytes text,
                                    uint32_t most_ms, uint64_t *ret_revision);
    /* Removes the lease if that is its revision still. Done if it is not, or there is none, too. */
    enum bus_outcome (*lease_remove)(struct bus *bus, const char *key, uint64_t revision,
                                     uint32_t most_ms);
    /* All leases, in no order. Done or unknown. */
    enum bus_outcome (*leases_read)(struct bus *bus, uint32_t most_ms,
                                    struct bus_entries *ret_entries);

    /*
     * The record of the key, or none. `key`: as for a lease. Refused: the key is none; so for all
     * calls below.
     */
    enum bus_outcome (*record_read)(struct bus *bus, const char *key, uint32_t most_ms,
                                    struct bus_entries *ret_entries);
    /*
     * Also refused: the record's revision is not the expected one, 0 for none, or the text has more
     * than BUS_RECORD_TEXT_MAX bytes.
     */
    enum bus_outcome (*record_write)(struct bus *bus, const char *key, struct bytes text,
                                     uint64_t expected_revision, uint32_t most_ms,
                                     uint64_t *ret_revision);
    /* Done if there is none, too. */
    enum bus_outcome (*record_remove)(struct bus *bus, const char *key, uint32_t most_ms);
    /*
     * The keys that begin with the prefix and a dot, in no order, without texts and revisions. More
     * than BUS_RECORDS_LISTED_MAX: unknown.
     */
    enum bus_outcome (*records_list)(struct bus *bus, const char *prefix, uint32_t most_ms,
                                     struct bus_entries *ret_entries);

    /* Ends the connections, for which it may take BUS_WRITE_MS, and frees the bus. */
    void (*close)(struct bus *bus);
};

#endif
