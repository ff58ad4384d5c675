/* Every bound of the server that is no option, in one place. */
#ifndef PARTY_SERVER_LIMITS_H
#define PARTY_SERVER_LIMITS_H

#define LOOPS_MAX 64
#define MESSAGE_BYTES_LIMIT (1024u * 1024 * 1024) /* of --max-message-bytes */
#define DURATION_MAX_MS (24u * 60 * 60 * 1000)    /* of any duration: the clock has 32 bits */

#define CONNECTIONS_MAX (1024 * 1024) /* or the limit of descriptors, if lower */
#define ROOMS_MAX (512 * 1024)        /* half of all codes */
#define CLIENTS_PER_ROOM_MAX 10000
#define ORIGINS_MAX 500      /* remembered for the statistics */
#define ORIGIN_BYTES_MAX 256 /* longer ones are counted as others */

#define QUEUE_BYTES_MAX (16 * 1024 * 1024) /* output waiting on one connection */
#define SHARED_FRAME_BYTES_MIN 1024        /* from here on frames are shared, not copied */
#define SEND_PARTS_MAX 64                  /* pieces in one send */
#define EXPIRIES_PER_TURN 256              /* so that timers never make a stutter */

#define REQUEST_TIMEOUT_MS 5000        /* for a request to be complete */
#define FLUSH_TIMEOUT_MS 15000         /* for output to go out before a close */
#define LINGER_TIMEOUT_MS 2000         /* for the peer to close after us */
#define STOP_TIMEOUT_MS 2000           /* for everybody to be told of a stop */
#define LIVENESS_CHECKS_PER_INTERVAL 8 /* of --ping-interval */
#define PLACEMENT_SLACK \
    16 /* connections that a loop may have above the emptiest before it passes on new ones */

#endif
