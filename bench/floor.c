/*
 * party-floor: its options, its seats, and the bytes that it owes to each connection. The system
 * calls are in floor_epoll.c and floor_io_uring.c. bench/run starts the program.
 */
#include "floor.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/attributes.h"
#include "floor_tls.h"
#include "net/listener.h"
#include "net/machine.h"

#define ROOM_NUMBER_BYTES 4
#define FRAMES_BYTES_LEAST (1024 * 1024)

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "party-floor: %s\n", what);
    exit(EXIT_FAILURE);
}

static void *must(void *memory)
{
    if (memory == NULL)
        die("out of memory");
    return memory;
}

static struct floor_room *find_room(struct floor *floor, uint32_t number)
{
    if (number >= FLOOR_CONNECTIONS_MAX)
        die("a client named a room that can't be");
    if (number >= floor->room_capacity) {
        uint32_t capacity = number < 512 ? 1024 : number * 2;
        floor->rooms = must(realloc(floor->rooms, capacity * sizeof *floor->rooms));
        memset(floor->rooms + floor->room_capacity, 0,
               (capacity - floor->room_capacity) * sizeof *floor->rooms);
        floor->room_capacity = capacity;
    }
    struct floor_room *room = &floor->rooms[number];
    if (room->members == NULL)
        room->members = must(calloc(floor->options->clients_per_room, sizeof *room->members));
    return room;
}

/* Reads bytes of the room's number, and returns how many it read. */
static size_t take_seat(struct floor *floor, int fd, const uint8_t *data, size_t length)
{
    struct floor_connection *connection = &floor->connections[fd];
    size_t used = 0;
    while (used < length && connection->received < ROOM_NUMBER_BYTES)
        connection->number_in |= (uint32_t)data[used++] << (8 * connection->received++);
    if (connection->received < ROOM_NUMBER_BYTES)
        return used;

    struct floor_room *room = find_room(floor, connection->number_in);
    if (room->count == floor->options->clients_per_room)
        die("a room has more clients than --clients says");
    room->members[room->count++] = fd;
    connection->room = connection->number_in + 1;
    connection->received = 0;
    if (floor->options->certificate != NULL)
        floor_tls_say(floor, fd, "!", 1);
    else if (send(fd, "!", 1, MSG_NOSIGNAL) != 1)
        die("a client did not take its one byte");
    return used;
}

/*
 * Appends frames to a queue, one by one as a relay would. All frames are the same, and the queue
 * begins with a whole frame. So the bytes at any place stay right when they are owed again.
 */
static void copy_frames(const struct floor *floor, struct floor_connection *connection,
                        size_t frames)
{
    size_t frame_bytes = floor->options->frame_bytes_out;
    size_t end = connection->sent + connection->owed;
    if (end + frames * frame_bytes > connection->queue_capacity) {
        connection->queue_capacity = (end + frames * frame_bytes) * 2;
        connection->queue = must(realloc(connection->queue, connection->queue_capacity));
    }
    for (size_t i = 0; i < frames; i++)
        memcpy(connection->queue + end + i * frame_bytes, floor->frames, frame_bytes);
}

void floor_queue(struct floor_connection *connection, const uint8_t *data, size_t length)
{
    size_t end = connection->queue_length + length;
    if (connection->owed == 0 && connection->sent > 0) { /* all records have been sent */
        connection->sent = 0;
        end = length;
    }
    if (end > connection->queue_capacity) {
        connection->queue_capacity = end * 2;
        connection->queue = must(realloc(connection->queue, connection->queue_capacity));
    }
    memcpy(connection->queue + end - length, data, length);
    connection->queue_length = end;
    connection->owed += length;
}

/* Owes frames to a member. Under TLS they become records when they are sent. */
static void owe(struct floor *floor, int member, size_t frames)
{
    struct floor_connection *connection = &floor->connections[member];
    size_t length = frames * floor->options->frame_bytes_out;
    if (floor->options->certificate != NULL) {
        connection->plain_owed += length;
    } else {
        if (floor->options->is_copied)
            copy_frames(floor, connection, frames);
        connection->owed += length;
    }
    floor_list(floor, member);
}

void floor_received(struct floor *floor, int fd, const uint8_t *data, size_t length)
{
    if (floor->options->certificate != NULL)
        floor_tls_received(floor, fd, data, length);
    else
        floor_received_plain(floor, fd, data, length);
}

void floor_received_plain(struct floor *floor, int fd, const uint8_t *data, size_t length)
{
    struct floor_connection *connection = &floor->connections[fd];
    if (connection->room == 0)
        length -= take_seat(floor, fd, data, length);
    size_t received = connection->received + length;
    size_t frames = received / floor->options->frame_bytes_in;
    connection->received = (uint32_t)(received % floor->options->frame_bytes_in);
    if (frames == 0)
        return;
    const struct floor_room *room = &floor->rooms[connection->room - 1];
    for (uint32_t i = 0; i < room->count; i++) {
        int member = room->members[i];
        if (member != fd)
            owe(floor, member, frames);
    }
}

void floor_list(struct floor *floor, int fd)
{
    struct floor_connection *connection = &floor->connections[fd];
    if (connection->is_listed || connection->is_blocked)
        return;
    connection->is_listed = true;
    floor->listed[floor->listed_count++] = fd;
}

const uint8_t *floor_owed(struct floor *floor, int fd, size_t *ret_length)
{
    const struct floor_connection *connection = &floor->connections[fd];
    bool is_secure = floor->options->certificate != NULL;
    if (is_secure)
        floor_tls_seal(floor, fd);
    if (is_secure || floor->options->is_copied) {
        *ret_length = connection->owed;
        return connection->queue + connection->sent;
    }
    size_t most = floor->frames_bytes - connection->sent;
    *ret_length = connection->owed < most ? connection->owed : most;
    return floor->frames + connection->sent;
}

void floor_sent(struct floor *floor, int fd, size_t length)
{
    struct floor_connection *connection = &floor->connections[fd];
    connection->owed -= length;
    if (floor->options->certificate != NULL)
        connection->sent += (uint32_t)length; /* floor_queue() begins anew */
    else if (connection->owed == 0)
        connection->sent = 0; /* nothing is owed, so all frames went out whole */
    else
        connection->sent =
            (uint32_t)((connection->sent + length) % floor->options->frame_bytes_out);
}

void floor_unsent(struct floor *floor, int fd, size_t length)
{
    struct floor_connection *connection = &floor->connections[fd];
    uint32_t frame_bytes = floor->options->frame_bytes_out;
    connection->owed += length;
    if (floor->options->certificate != NULL) {
        connection->sent -= (uint32_t)length;
        return;
    }
    connection->sent =
        (uint32_t)((connection->sent + frame_bytes - length % frame_bytes) % frame_bytes);
}

void floor_close(struct floor *floor, int fd)
{
    struct floor_connection *connection = &floor->connections[fd];
    if (connection->room != 0) {
        struct floor_room *room = &floor->rooms[connection->room - 1];
        for (uint32_t i = 0; i < room->count; i++)
            if (room->members[i] == fd)
                room->members[i] = room->members[--room->count];
    }
    for (uint32_t i = 0; connection->is_listed && i < floor->listed_count; i++)
        if (floor->listed[i] == fd)
            floor->listed[i] = floor->listed[--floor->listed_count];
    floor_tls_close(connection);
    free(connection->queue);
    memset(connection, 0, sizeof *connection);
    close(fd);
}

/* Writes a text frame of exactly this length, with {"type":"message",...}; dies if that does not
 * fit. */
static void write_frame(uint8_t *frame, size_t length)
{
    static const char start[] = "{\"type\":\"message\",\"from\":\"00000000\",\"data\":\"";
    static const char end[] = "\"}";
    size_t header = length <= 2 + 125 ? 2 : length <= 4 + 65535 ? 4 : 10;
    if (length < header + sizeof start + sizeof end)
        die("--out is too short for a message");
    size_t payload = length - header;
    frame[0] = 0x81;
    if (header == 2)
        frame[1] = (uint8_t)payload;
    else
        frame[1] = header == 4 ? 126 : 127;
    for (size_t i = 2; i < header; i++)
        frame[i] = (uint8_t)((uint64_t)payload >> (8 * (header - 1 - i)));
    memset(frame + header, 'x', payload);
    memcpy(frame + header, start, sizeof start - 1);
    memcpy(frame + length - (sizeof end - 1), end, sizeof end - 1);
}

static void make_frames(struct floor *floor)
{
    size_t frame_bytes = floor->options->frame_bytes_out;
    size_t count = FRAMES_BYTES_LEAST / frame_bytes + 2;
    floor->frames_bytes = count * frame_bytes;
    floor->frames = must(malloc(floor->frames_bytes));
    write_frame(floor->frames, frame_bytes);
    for (size_t i = 1; i < count; i++)
        memcpy(floor->frames + i * frame_bytes, floor->frames, frame_bytes);
}

/* Only used pages become resident. */
static void *reserve(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return must(memory == MAP_FAILED ? NULL : memory);
}

static const char floor_help[] =
    "party-floor --clients N --in BYTES --out BYTES [OPTION...]\n"
    "The least that a relay could do, to compare relays with. bench/run starts it.\n"
    "\n"
    "  --clients N            members of a room\n"
    "  --in BYTES             length of every frame of a client\n"
    "  --out BYTES            length of every frame to a client\n"
    "  --host HOST, --port N  where to listen (every address, 3000); 0: the kernel chooses\n"
    "  --poller epoll|io_uring\n"
    "  --tls-cert FILE, --tls-key FILE        PEM files: the floor speaks TLS\n"
    "\n"
    "Forms to compare (the default is the one that measured best):\n"
    "  --send send|sendmsg|writev|zero-copy   the last with io_uring only (send)\n"
    "  --queue counted|copied copied: each recipient has a queue with copies of frames (counted)\n"
    "  --events N             epoll: events that one wait may return (256)\n"
    "  --receive multishot|one-shot|poll      io_uring; poll: then recv(2) (multishot)\n"
    "  --buffers NxBYTES      io_uring: the ring from which the kernel takes receive buffers\n"
    "  --completions failures|all|awaited     io_uring: which sends post a completion; awaited:\n"
    "                         all do, and a wait is for one more completion than sends (failures)\n"
    "  --registered on|off    io_uring: sockets in the ring's own table\n"
    "  --task-run defer|cooperative           io_uring (defer)\n"
    "  --submit with-wait|apart               io_uring: one enter a turn, or two (with-wait)\n"
    "  --entries N            io_uring: submission entries, completion entries are eight times "
    "that\n";

static uint32_t read_number(const char *text, uint32_t least, uint32_t most)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < least || value > most)
        die("an option's number is out of range (see --help)");
    return (uint32_t)value;
}

/* The index of `text` in a list of names that ends with NULL. */
static unsigned read_choice(const char *text, const char *const *names)
{
    for (unsigned i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    die("an option has no such value (see --help)");
}

#define CHOICE(...) read_choice(optarg, (const char *const[]){__VA_ARGS__, NULL})

static void read_buffers(struct floor_options *options, char *text)
{
    char *separator = strchr(text, 'x');
    if (separator == NULL)
        die("--buffers must look like 1024x2048");
    *separator = '\0';
    options->buffers = read_number(text, 1, 32768);
    options->buffer_bytes = read_number(separator + 1, 64, 1024 * 1024);
    if ((options->buffers & (options->buffers - 1)) != 0)
        die("the number of buffers must be a power of two");
}

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"host", required_argument, NULL, 'H'},
    {"port", required_argument, NULL, 'p'},
    {"poller", required_argument, NULL, 'P'},
    {"clients", required_argument, NULL, 'c'},
    {"in", required_argument, NULL, 'i'},
    {"out", required_argument, NULL, 'o'},
    {"tls-cert", required_argument, NULL, 'T'},
    {"tls-key", required_argument, NULL, 'K'},
    {"send", required_argument, NULL, 's'},
    {"queue", required_argument, NULL, 'q'},
    {"events", required_argument, NULL, 'e'},
    {"receive", required_argument, NULL, 'r'},
    {"buffers", required_argument, NULL, 'b'},
    {"completions", required_argument, NULL, 'C'},
    {"registered", required_argument, NULL, 'R'},
    {"task-run", required_argument, NULL, 't'},
    {"submit", required_argument, NULL, 'S'},
    {"entries", required_argument, NULL, 'E'},
    {NULL, 0, NULL, 0},
};

static void read_option(struct floor_options *options, int option)
{
    switch (option) {
    case 'h':
        fputs(floor_help, stdout);
        exit(EXIT_SUCCESS);
    case 'H':
        options->host = optarg;
        return;
    case 'p':
        options->port = (uint16_t)read_number(optarg, 0, 65535);
        return;
    case 'P':
        options->is_io_uring = CHOICE("epoll", "io_uring") == 1;
        return;
    case 'c':
        options->clients_per_room = read_number(optarg, 1, FLOOR_CONNECTIONS_MAX);
        return;
    case 'i':
        options->frame_bytes_in = read_number(optarg, 1, INT32_MAX);
        return;
    case 'o':
        options->frame_bytes_out = read_number(optarg, 1, INT32_MAX);
        return;
    case 'T':
        options->certificate = optarg;
        return;
    case 'K':
        options->key = optarg;
        return;
    case 's':
        options->send = CHOICE("send", "sendmsg", "writev", "zero-copy");
        return;
    case 'q':
        options->is_copied = CHOICE("counted", "copied") == 1;
        return;
    case 'e':
        options->events = read_number(optarg, 1, 65536);
        return;
    case 'r':
        options->receive = CHOICE("multishot", "one-shot", "poll");
        return;
    case 'b':
        read_buffers(options, optarg);
        return;
    case 'C':
        options->completions = CHOICE("failures", "all", "awaited");
        return;
    case 'R':
        options->is_registered = CHOICE("off", "on") == 1;
        return;
    case 't':
        options->is_cooperative = CHOICE("defer", "cooperative") == 1;
        return;
    case 'S':
        options->is_submitted_apart = CHOICE("with-wait", "apart") == 1;
        return;
    case 'E':
        options->entries = read_number(optarg, 1, 32768);
        return;
    default:
        exit(2);
    }
}

int main(int argument_count, char **arguments)
{
    struct floor_options options = {
        .port = 3000, .events = 256, .buffers = 1024, .buffer_bytes = 2048, .entries = 1024};
    int option;
    while ((option = getopt_long(argument_count, arguments, "", long_options, NULL)) != -1)
        read_option(&options, option);
    if (options.clients_per_room == 0 || options.frame_bytes_in == 0 ||
        options.frame_bytes_out == 0)
        die("--clients, --in and --out are needed (see --help)");
    if (options.send == SEND_ZERO_COPY && !options.is_io_uring)
        die("zero-copy needs --poller io_uring");
    if (options.send == SEND_ZERO_COPY && options.completions == COMPLETIONS_FAILURES)
        options.completions =
            COMPLETIONS_ALL; /* the kernel has no zero-copy send without a completion */

    if ((options.certificate != NULL) != (options.key != NULL))
        die("--tls-cert and --tls-key belong together");
    if (options.certificate != NULL)
        floor_tls_start(options.certificate, options.key);

    char why[512];
    struct floor floor = {.options = &options};
    machine_raise_descriptor_limit(FLOOR_CONNECTIONS_MAX);
    floor.connections = reserve(FLOOR_CONNECTIONS_MAX * sizeof *floor.connections);
    floor.listed = reserve(FLOOR_CONNECTIONS_MAX * sizeof *floor.listed);
    make_frames(&floor);
    floor.listener_fd = listener_open(options.host, options.port, why, sizeof why);
    if (floor.listener_fd < 0)
        die(why);
    printf("party-floor listening on http://localhost:%u\n", listener_port(floor.listener_fd));
    fflush(stdout);
    if (options.is_io_uring)
        floor_serve_io_uring(&floor);
    else
        floor_serve_epoll(&floor);
    die(strerror(errno));
}
