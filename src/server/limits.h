/* The fixed bounds of the server, and the bounds of its options. */
#ifndef PARTY_SERVER_LIMITS_H
#define PARTY_SERVER_LIMITS_H

/* Bounds of options. */
#define LOOPS_MAX 64
/* Messages of other nodes that wait for a loop, each with so much more; more is lost. */
#define REMOTE_MAIL_BYTES_MAX ((size_t)16 << 20)
#define REMOTE_MAIL_OVERHEAD 128
#define REQUEST_BYTES_LEAST 1024 /* --max-request-bytes: a browser's head without cookies fits */
#define MESSAGE_BYTES_LIMIT (1024u * 1024 * 1024) /* --max-message-bytes, --max-queue-bytes */
#define MESSAGE_RATE_LIMIT 1000000u /* --max-message-rate: tokens are counted in 32 bits */
/* --max-byte-rate: eight seconds at this rate fit 31 bits. */
#define BYTE_RATE_LIMIT (128u * 1024 * 1024)
#define BUFFERED_BYTES_LEAST (1024u * 1024)    /* --max-buffered-bytes */
#define DURATION_MAX_MS (24u * 60 * 60 * 1000) /* any duration: the clock has 32 bits */
#define FAILED_JOINS_LIMIT 200                 /* --max-failed-joins: counted in 8 bits */
#define ALLOWED_ORIGINS_MAX 64
#define TRUSTED_PROXIES_MAX 64
#define DASHBOARD_URL_BYTES_MAX 512
#define CONNECTIONS_MAX (1024 * 1024) /* the limit of descriptors may be lower */
#define ROOMS_MAX (512 * 1024)        /* half of all codes */

/* Origins; see origins. */
#define ORIGINS_MAX 500 /* that the server remembers */
/* Origins with series of their own in the metrics; one more series sums up the rest. */
#define ORIGINS_LISTED_MAX 99
#define ORIGINS_REPLACED_AN_HOUR 10
#define HOUR_MS (60 * 60 * 1000)
#define ORIGIN_BYTES_MAX 256 /* longer ones are counted as ORIGIN_OTHER */

/* The charts' history: five minutes. */
#define HISTORY_SAMPLES 60
#define HISTORY_INTERVAL_S 5

/* Rooms and the addresses that make them; see makers and newcomers. */
#define ROOM_LOG_BYTES_LEAST 1024 /* --room-log-bytes */
#define ROOM_LOG_BYTES_LIMIT (1024 * 1024)
#define PASSWORD_GUESSES_MAX 10 /* of an address for a room, in a minute */
#define VACANT_ROOMS_MAX 256    /* rooms without a member, of one maker */
/* Divisor: the part of --max-buffered-bytes that rooms may retain. */
#define RETAINED_PART_OF_BUDGET 4
#define RETAINED_PARTS_OF_MAKER 8 /* divisor: the part of that for one maker's rooms */
#define MAKER_PREFIX_BITS 48      /* an IPv6 network of this size is one maker */
#define NEWCOMERS_LEAST 64 /* new members that an address may bring into a room in a minute */
#define NEWCOMER_SETS 256  /* of a loop's table of newcomers */
#define NEWCOMER_WAYS 4    /* counts in each set */

/* Subnets that nobody holds, and that are remembered for their misses or costs. */
#define SUBNETS_REMEMBERED_MAX 65536

/* Descriptors that no client gets: the three standard ones, the listener, a few for each loop. */
#define DESCRIPTORS_RESERVED 16
#define DESCRIPTORS_PER_LOOP 4
#define REFUSALS_MAX 64     /* connections above a limit that may wait for their refusal */
#define ACCEPT_RETRY_MS 100 /* until the loop listens again after a failed accept */

#define SHARED_FRAME_BYTES_MIN 1024 /* recipients share longer frames; shorter ones are copied */
#define SEND_PARTS_MAX 64           /* iovecs in one send */
#define HTTP_BACKLOG_BYTES 65536    /* unread responses, above which no further request is read */

/* One connection's share of a turn. What is left waits for the next turn. */
#define FRAMES_PER_TURN 64                 /* frames and HTTP requests */
#define WORK_PER_TURN 4096                 /* units: a delivery, or a KiB of event text */
#define PARSED_BYTES_PER_TURN (128 * 1024) /* of one long message */
#define FREED_BYTES_PER_TURN (1024 * 1024) /* of one long message that has been handled */
#define READ_BYTES_PER_TURN (256 * 1024)   /* of input: unmasked, and checked to be UTF-8 */
#define SEND_BYTES_PER_TURN (512 * 1024)
#define PICTURE_WORK 2048    /* units for a QR code of usual size */
#define TOKEN_WORK 256       /* units for the check of a signature */
#define PAGE_WORK_PER_KIB 64 /* units for a KiB of a page or of metrics */
/*
 * All connections' share of each phase of a turn; when it is used up, the loop sends what is
 * queued. The loop reads the clock only after WORK_PER_LOOK units.
 */
#define PHASE_NS 1000000
#define WORK_PER_LOOK 128
#define WORK_PER_PHASE 16384
/*
 * TLS handshakes take 0.1 to 6 ms each. A turn has HANDSHAKES_NS_PER_TURN for them; then the loop
 * serves none for HANDSHAKES_REST times the time that they took.
 */
#define HANDSHAKES_NS_PER_TURN 1000000
#define HANDSHAKES_REST 2
/* An address's handshakes fill a bucket, which leaks. They are served first until it is full. */
#define HANDSHAKES_FEW 8        /* handshakes that fill it */
#define HANDSHAKES_PER_S 4      /* handshakes that leak out of it */
#define HANDSHAKES_REMEMBERED 8 /* the level stops at this multiple of a full bucket */
/*
 * A hello waits in the loop's queue for so long, or for --request-timeout if that is longer. Then
 * the browser at the other end has given up, too.
 */
#define HANDSHAKE_WAIT_MS 30000
#define HANDSHAKE_WORK 64 /* units for beginning a TLS session, beside the handshake's time */
/* Queues of dead connections that one turn frees, since freeing takes time. */
#define REAPED_BYTES_PER_TURN (4 * 1024 * 1024)
#define EXPIRIES_PER_TURN 256   /* deadlines of one kind, so that they do not delay messages */
#define RECORDS_INTERVAL_MS 200 /* a loop hands records over so often, at most */
#define RECORDS_INTERVAL_CLUSTER_MS 20 /* the same where records go over the network, */
#define RECORDS_REST_CLUSTER_MS 1000   /* and that of one room so often, at most */
#define STORE_STOP_MS 5000             /* time for the last records at a stop */
#define TURN_LONGEST_MS 100            /* a longer turn means that the process itself stood still */

#define POOL_TRIM_INTERVAL_MS 1000    /* a loop frees chunks that it did not reuse for so long */
#define HEAP_TRIM_INTERVAL_MS 5000    /* at least, between two trims of the heap */
#define HEAP_TRIM_BYTES (1024 * 1024) /* least peak of a loop; freeing 3/4 of it trims the heap */
#define HEAP_LOOK_INTERVAL_MS 10000   /* at least, between two times that heap use is added up */

#define LEASE_BYTES (64 * 1024) /* a loop leases its part of the budget in multiples of this */
/* What the kernel may hold for a blocked and for a paused connection. */
#define SEND_BACKLOG_BYTES (64 * 1024)
#define RECEIVE_BACKLOG_BYTES (128 * 1024)
/* A close for a full queue waits until begun output is sent, if that is no more than this. */
#define BEGUN_BYTES_BEFORE_CLOSE_MAX (64 * 1024)

#define SLOWEST_READER_BYTES_PER_MS 4 /* output taken at this rate makes up for silence */
#define CLUSTER_MESSAGE_BYTES_MAX ((uint64_t)16 << 20) /* one has to fit into a link's item */
/* Members at other nodes, in parts of --max-connections: what is said of them is the other node's.
 */
#define REMOTE_PARTS 4
#define LINGER_TIMEOUT_MS 2000 /* for the peer to close after us, while it acknowledges nothing */
#define LINGER_STALLS 4        /* stall timeouts that it may take while it acknowledges output */
/* An upgrade: TLS connections are closed over so long, in steps; others are awaited so long. */
#define REST_MS 2500
#define REST_SPREAD_MS 2000
#define REST_LOOK_MS 20
/* At each look execution is to keep so many descriptors more, and this share of all. */
#define REST_KEPT_LEAST 64
#define REST_KEPT_SHARE 16
/* A loop is at rest when no more output than this waits; who reads is sent the rest meanwhile. */
#define RESTING_OUTPUT_MAX ((size_t)8 << 20)
/*
 * Of output that is handed over. Everybody waits while it is written and read, so who reads too
 * slowly is closed beyond that. Each loop has its share, but at least RESTING_OUTPUT_MAX.
 */
#define HANDOVER_OUTPUT_MAX ((size_t)64 << 20)
#define HANDOVER_GROWTH_SHARE 8    /* it has its memory before, and this share of it in reserve */
#define UPGRADE_ANSWER_MS 3000     /* for the loops to copy their rooms, or to notice the rest */
#define UPGRADE_REHEARSAL_MS 10000 /* for the new program to restore that copy */
#define UPGRADE_LONGEST_MS 5000    /* a rehearsal that took longer is not followed by an upgrade */
/*
 * After execution: the former program goes on then. And four times what the rehearsal took, which
 * has no output: that is 512 MiB at most, with 64 loops.
 */
#define UPGRADE_RESTORING_S 5
#define UPGRADE_ASKED_MS 60000 /* that --upgrade waits */
#define UPGRADE_IDLE_MS                                                      \
    (REST_MS + UPGRADE_ANSWER_MS + 500) /* nothing is seen of it for longest \
                                         */
#define LISTENS_ON_BYTES_MAX 640        /* --host, --port and --admin-listen, to compare them */
#define OPTIONS_FILE_BYTES_MAX ((size_t)64 << 10)
#define UPGRADE_STORE_S 10       /* the same until the store is open */
#define LEAVE_MS 12000           /* until other nodes have all slices of one that stops */
#define STOP_TIMEOUT_MS 1000     /* for all peers to get their close frame, and to close after us */
#define STOP_NOW_TIMEOUT_MS 100  /* the same at Ctrl-C, since somebody waits */
#define BUSY_ROOMS_COUNTED 10000 /* in each loop, to tell an operator what a drain waits for */
#define HEALTH_CHECK_TIMEOUT_S 3 /* for the answer to --check-health */
#define DRAIN_LOOK_INTERVAL_MS 1000 /* between two searches for a room that the drain waits for */
#define DETACHING_WAIT_MS 10        /* one wait at a stop for the kernel to let go of connections */
#define DETACHING_TURNS_MAX 100     /* such waits */
#define THROTTLE_MS 20              /* pause of a connection that is out of tokens */
#define ENTRANCE_RETRY_MS 100       /* between two looks for a node that can answer a client */
#define ENTRANCE_PATIENCE_MS 400    /* at most, until a node that could not answer is asked again */
/*
 * Until a node is asked that answers. If one is asked at the last moment and dies, 2000 more pass
 * before that is noticed; the SDKs give an attempt up after 6000.
 */
#define ENTRANCE_WAIT_MS 4000
/* For clients that are adrift, see edge.h: the same three, and UNHEARD_BYTES_MAX of a message. */
#define RETURN_RETRY_MS 50
#define RETURN_PATIENCE_MS 400
#define ADRIFT_MS 30000
#define RETURNS_AT_ONCE 64      /* of a loop that a home has not answered: each costs it a state */
#define UNANSWERED_MS 30000     /* for the answer to `joined`; then the client has to join */
#define UNHEARD_BYTES_MAX 4096  /* a longer message is no answer to `joined`, and no `ping` */
#define ENTRANCE_BYTES_MAX 4096 /* a longer `create` or `join` does not wait */
#define JOIN_PENALTY_MS 3000    /* delay of the answer when a client or address guesses codes */
#define CHECKS_PER_TIMEOUT 8    /* of a WebSocket, within the shortest timeout checked there */
#define SUBNET_BUDGET_MS (60 * 1000) /* in which a full budget of misses leaks away */
/* For a public address without an option; private addresses have no such limit. */
#define CONNECTIONS_PER_ADDRESS_MAX 4096
#define HANDSHAKES_PER_ADDRESS_MAX 128 /* unfinished TLS handshakes */
/* Measured memory of a connection, the kernel's included, and of its TLS session. */
#define CONNECTION_BYTES (8 * 1024)
#define TLS_SESSION_BYTES (14 * 1024)
#define TLS_HANDSHAKE_BYTES (43 * 1024)
#define CONNECTIONS_PART_OF_MEMORY 2      /* divisor: the part of the memory for connections */
#define TLS_SESSIONS_PERCENT_OF_BUDGET 75 /* idle TLS sessions, of --max-buffered-bytes */
/*
 * When all places for connections are taken: newcomers that may enter all the same while
 * connections in no room are evicted, and how many one round of eviction closes.
 */
#define NEWCOMERS_ABOVE_MAX 64
#define EVICTED_AT_ONCE 64
#define EVICTED_PART 8 /* divisor: the part of an address's connections that one round closes */
#define SUBNETS_LOOK_INTERVAL_MS 100 /* at least, between two searches for the heaviest subnet */
/*
 * What requests and joins of one address may cost, in the units of WORK_PER_TURN. Some 2 million
 * units make a core busy for a second. COST_PER_MS leaks; COST_AT_ONCE is ten seconds of it.
 */
#define COST_PER_MS 250
#define COST_AT_ONCE (10 * 1000 * COST_PER_MS)
#define COST_REMEMBERED 2048 /* a lower cost is forgotten once nobody holds the subnet */
#define JOIN_COST_PER_KIB 16 /* for a KiB of events that a joining client is sent */
/* An answer that took this much work is given again for this time. */
#define ANSWER_CACHED_MS 1000
#define ANSWER_CACHED_WORK 4096
#define PRIVATE_SUBNET_BUDGETS 10 /* budgets of misses of a loopback or private address */
/* Connections whose answer may be delayed as a penalty; further ones are answered at once. */
#define WAITING_PER_SUBNET_MAX 64
#define WAITING_MAX 4096
/* How long a start waits for a port that another process has, and how often it tries. */
#define PORT_WAIT_MS 3000
#define PORT_RETRY_MS 10
/* A loop with this many connections more than the emptiest loop passes new ones on. */
#define PLACEMENT_SLACK 16

#endif
