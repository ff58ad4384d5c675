/* Every bound of the server that is no option, in one place; and the bounds of options. */
#ifndef PARTY_SERVER_LIMITS_H
#define PARTY_SERVER_LIMITS_H

#define LOOPS_MAX 64
#define REQUEST_BYTES_LEAST 1024 /* of --max-request-bytes: what browsers send without cookies */
#define MESSAGE_BYTES_LIMIT (1024u * 1024 * 1024) /* of --max-message-bytes, --max-queue-bytes */
#define MESSAGE_RATE_LIMIT 1000000u               /* of --max-message-rate: tokens have 32 bits */
#define BYTE_RATE_LIMIT \
    (128u * 1024 * 1024) /* of --max-byte-rate: eight seconds of it have 31 bits */
#define BUFFERED_BYTES_LEAST (1024u * 1024)    /* of --max-buffered-bytes */
#define DURATION_MAX_MS (24u * 60 * 60 * 1000) /* of any duration: the clock has 32 bits */
#define FAILED_JOINS_LIMIT 200                 /* of --max-failed-joins: counted in 8 bits */
#define ALLOWED_ORIGINS_MAX 64
#define TRUSTED_PROXIES_MAX 64
#define DASHBOARD_URL_BYTES_MAX 512

#define CONNECTIONS_MAX (1024 * 1024) /* or the limit of descriptors, if lower */
#define ROOMS_MAX (512 * 1024)        /* half of all codes */
#define VACANT_ROOMS_MAX 256          /* of one address, in which nobody is */
#define ORIGINS_MAX 500               /* remembered for the statistics */
#define ORIGINS_LISTED_MAX 99 /* with counts of their own in the metrics; one more is the rest */
#define ORIGINS_REPLACED_AN_HOUR 10
#define HOUR_MS (60 * 60 * 1000)
#define ORIGIN_BYTES_MAX 256 /* longer ones are counted as others */
#define HISTORY_SAMPLES 60   /* of the charts: five minutes */
#define HISTORY_INTERVAL_S 5
#define RETAINED_PART_OF_BUDGET 4 /* what rooms keep may be this part of --max-buffered-bytes */
#define MAKER_PREFIX_BITS 48      /* of IPv6: what is one address that makes rooms */
#define RETAINED_PARTS_OF_MAKER 8 /* and the rooms of one address may keep a part of that */
#define NEWCOMERS_LEAST 64        /* that an address may bring into any room in a minute */
#define NEWCOMER_SETS 256         /* of a loop, in which that is counted */
#define NEWCOMER_WAYS 4
#define SUBNETS_REMEMBERED_MAX 65536 /* addresses with misses, and nobody here any more */

/* Descriptors that are never a client's: three standard ones, the listener, a few a loop. */
#define DESCRIPTORS_RESERVED 16
#define DESCRIPTORS_PER_LOOP 4
#define REFUSALS_MAX 64     /* connections above a limit that may wait for their refusal */
#define ACCEPT_RETRY_MS 100 /* when the kernel can't give another connection */

#define SHARED_FRAME_BYTES_MIN 1024 /* from here on frames are shared, not copied */
#define SEND_PARTS_MAX 64           /* pieces in one send */
#define HTTP_BACKLOG_BYTES 65536    /* of responses; then no further request is read */

/* What one connection may have of a turn; the rest waits for the next. */
#define FRAMES_PER_TURN 64                 /* and requests */
#define WORK_PER_TURN 4096                 /* deliveries, and KiB of events that were written */
#define PARSED_BYTES_PER_TURN (128 * 1024) /* of one long message */
#define FREED_BYTES_PER_TURN (1024 * 1024) /* of one that has been handled */
#define READ_BYTES_PER_TURN (256 * 1024)   /* unmasked, and checked to be UTF-8 */
#define SEND_BYTES_PER_TURN (512 * 1024)
#define PICTURE_WORK 2048    /* of a QR code of usual size, in the same units */
#define PAGE_WORK_PER_KIB 64 /* of a page or of metrics: what writing it takes in such units */
/*
 * What all have together in each phase of a turn; then what waits is sent. The clock is looked at
 * seldom: the first time, and then again, after so much work.
 */
#define PHASE_NS 1000000
#define WORK_PER_LOOK 128
#define WORK_PER_PHASE 16384
/* TLS handshakes, which take 0.1 to 6 ms each: so long in a turn, then twice as long none. */
#define HANDSHAKES_NS_PER_TURN 1000000
#define HANDSHAKES_REST 2
#define HANDSHAKES_FEW 8        /* of one address at once: who asks for no more comes first */
#define HANDSHAKES_PER_S 4      /* and so many in a second from then on */
#define HANDSHAKES_REMEMBERED 8 /* times so many are remembered of who asks for more */
#define HANDSHAKE_WORK 64       /* beside its time: what a session takes to begin */
#define REAPED_BYTES_PER_TURN \
    (4 * 1024 * 1024)         /* of queues of dead connections: freeing takes time */
#define EXPIRIES_PER_TURN 256 /* of one kind, so that timers never make a stutter */
#define TURN_LONGEST_MS 100   /* what is longer was no turn: the process itself was stopped */

#define POOL_TRIM_INTERVAL_MS 1000    /* what was not needed so long is not kept for reuse */
#define HEAP_TRIM_INTERVAL_MS 5000    /* at least, between two times that the heap gives back */
#define HEAP_TRIM_BYTES (1024 * 1024) /* held by a loop, of which it has freed three quarters */
#define HEAP_LOOK_INTERVAL_MS 10000   /* at least, between two times that its use is added up */

#define LEASE_BYTES (64 * 1024) /* in which a loop takes its part of the budget */
/* What the kernel may hold for a connection that does not read, or that is not read. */
#define SEND_BACKLOG_BYTES (64 * 1024)
#define RECEIVE_BACKLOG_BYTES (128 * 1024)
#define LAST_WORDS_BYTES_MAX (64 * 1024) /* begun output that a close for its queue waits for */

#define SLOWEST_READER_BYTES_PER_MS 4 /* what is taken at this rate is no silence */
#define LINGER_TIMEOUT_MS 2000        /* for the peer to close after us, when nothing advances */
#define LINGER_STALLS 4               /* stall timeouts that it may take while something does */
#define STOP_TIMEOUT_MS 1000          /* for all to be told of a stop, and to close after us */
#define HEALTH_CHECK_TIMEOUT_S 3      /* for --check-health to be answered */
#define DRAIN_LOOK_INTERVAL_MS 1000   /* in which rooms are looked for that a drain waits for */
#define DETACHING_WAIT_MS 10          /* for the kernel to let go of a connection at a stop */
#define DETACHING_TURNS_MAX 100       /* such waits */
#define THROTTLE_MS 20                /* without being read, when out of tokens */
#define JOIN_PENALTY_MS 3000          /* before the answer to one miss too many */
#define CHECKS_PER_TIMEOUT 8          /* how often silence and stalls are looked at */
#define SUBNET_BUDGET_MS (60 * 1000)  /* in which the misses of an address are forgotten */
/* Of a public address, unless an option says more or less; private ones have no such limit. */
#define CONNECTIONS_PER_ADDRESS_MAX 4096
#define HANDSHAKES_PER_ADDRESS_MAX 128 /* of TLS, that are unfinished */
/* What a connection costs: memory of the kernel and ours, and what TLS has for it (measured). */
#define CONNECTION_BYTES (8 * 1024)
#define TLS_SESSION_BYTES (14 * 1024)
#define TLS_HANDSHAKE_BYTES (43 * 1024)
#define CONNECTIONS_PART_OF_MEMORY 2      /* connections may take this part of the memory */
#define TLS_SESSIONS_PERCENT_OF_BUDGET 75 /* idle TLS sessions may, of --max-buffered-bytes */
/* All places are taken: so many above the limit may come while those go who are in no room. */
#define NEWCOMERS_ABOVE_MAX 64
#define EVICTED_AT_ONCE 64
#define EVICTED_PART 8 /* of what the address has */
#define SUBNETS_LOOK_INTERVAL_MS \
    100 /* at least, between two times that the heaviest is looked for */
/*
 * What requests and joins of one address may cost, in the units of WORK_PER_TURN, of which some 2
 * million make a core busy for a second: so much a millisecond, ten seconds of it at once.
 */
#define COST_PER_MS 250
#define COST_AT_ONCE (10 * 1000 * COST_PER_MS)
#define COST_REMEMBERED 2048  /* less is forgotten when nobody of the address is here any more */
#define JOIN_COST_PER_KIB 16  /* of what who joins is told */
#define ANSWER_CACHED_MS 1000 /* is given again for so long, when it was much work to make */
#define ANSWER_CACHED_WORK 4096
#define PRIVATE_SUBNET_BUDGETS 10 /* of misses, for loopback and private addresses */
/* Who may wait for the answer to one miss too many; others have it at once. */
#define WAITING_PER_SUBNET_MAX 64
#define WAITING_MAX 4096
/* How long a start waits for a port that is taken, and how often it looks. */
#define PORT_WAIT_MS 3000
#define PORT_RETRY_MS 10
/* Connections that a loop may have above the emptiest before it passes on new ones. */
#define PLACEMENT_SLACK 16

#endif
