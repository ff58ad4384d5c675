/*
 * Handovers, which may be anything: the program before may be a later version. What is refused must
 * say why, and all of it must be freed. What is restored is written again, and a third server must
 * restore that and write the same. A handover with the parts of as many loops is restored in
 * threads.
 *
 * Input: whether it is a rehearsal (odd) and how many loops there are; the handover.
 */
#include <string.h>

#include "fuzz/fuzz_input.h"
#include "server/handover_threads.h"
#include "support/forget_server.h"

#define DESCRIPTORS 512

static struct kernel kernel; /* that touches no descriptor, and whose time stands still */

static uint64_t now_ns(void)
{
    return (uint64_t)1 << 40;
}

static int64_t wall_clock_s(void)
{
    return 1770000000;
}

static void fill_random(void *ret_bytes, size_t length)
{
    memset(ret_bytes, 5, length);
}

static bool peer_address(int fd, struct address *ret_address)
{
    const uint8_t octets[4] = {192, 0, 2, (uint8_t)fd};
    *ret_address = address_of_ipv4(octets);
    return true;
}

static _Noreturn void close_socket(int fd, bool resets)
{
    (void)fd;
    (void)resets;
    abort(); /* nobody ends a connection that another program has handed over */
}

static void begin_server(struct server *server, const struct config *config)
{
    kernel = kernel_linux;
    kernel.now_ns = now_ns;
    kernel.wall_clock_s = wall_clock_s;
    kernel.random = fill_random;
    kernel.peer_address = peer_address;
    kernel.close = close_socket;
    *server = (struct server){
        .config = config,
        .kernel = &kernel,
        .listener_fd = -1,
        .admin_fd = -1,
        .news_fd = -1,
        .poller = POLLER_EPOLL,
    };
    bool has_begun = server_init(server, DESCRIPTORS);
    assert(has_begun);
}

static struct config configure(uint8_t choice)
{
    char loops[2] = {(char)('1' + choice / 2 % 4), '\0'};
    char *arguments[] = {"fuzz", "--loops", loops, "--max-buffered-bytes", "16777216"};
    struct config config;
    char why[256];
    enum config_result result =
        config_read(ARRAY_LENGTH(arguments), arguments, NULL, &config, why, sizeof why);
    assert(result == CONFIG_RUN);
    return config;
}

static void append(struct buf *text, struct bytes part)
{
    enum buf_result result = buf_append(text, part);
    assert(result == BUF_OK);
}

/* All that the server would hand over; to be released. */
static struct buf handover_of(const struct server *server)
{
    struct buf text;
    buf_init(&text, HANDOVER_BYTES_MAX);
    append(&text, BYTES("{}\n"));
    for (uint32_t i = 0; i < server->loop_count; i++) {
        struct buf part;
        buf_init(&part, HANDOVER_BYTES_MAX);
        bool is_written = handover_write(server->loops[i], false, &part);
        assert(is_written);
        append(&text, buf_view(&part));
        buf_release(&part);
    }
    return text;
}

/* Restores a copy of exactly its size. */
static bool restore(struct server *server, const struct handover_header *header, struct bytes text,
                    bool is_rehearsal)
{
    struct bytes_mut copy = fuzz_copy(text);
    struct handover_counts counts;
    char why[HANDOVER_WHY_MAX] = "";
    bool is_restored = handover_restore_in_threads(server, header, bytes_of(copy.data, copy.length),
                                                   is_rehearsal, &counts, why);
    free(copy.data);
    assert(is_restored == (why[0] == '\0'));
    return is_restored;
}

static void expect_same(const struct config *config, struct bytes text)
{
    const struct handover_header no_parts = {0};
    struct server server;
    begin_server(&server, config);
    bool is_restored = restore(&server, &no_parts, text, false);
    assert(is_restored);
    struct buf again = handover_of(&server);
    assert(again.length == text.length); /* rooms and connections are in another order */
    buf_release(&again);
    forget_server(&server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    uint8_t choice = fuzz_take_byte(&input);
    bool is_rehearsal = choice % 2 == 1;
    struct config config = configure(choice);
    struct handover_header header = {0};
    struct server server;
    char why[HANDOVER_WHY_MAX] = "";
    bool has_header = handover_read_header(input, &header, why);
    assert(has_header == (why[0] == '\0'));
    begin_server(&server, &config);
    bool is_restored = restore(&server, &header, input, is_rehearsal);
    struct buf text = handover_of(&server);
    forget_server(&server);
    if (is_restored && !is_rehearsal)
        expect_same(&config, buf_view(&text));
    buf_release(&text);
    return 0;
}
