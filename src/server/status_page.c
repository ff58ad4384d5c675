/* Fills in the template. What clients say of themselves (origins) is escaped. */
#include "server/status_page.h"

#include "base/attributes.h"
#include "server/version.h"
#include "status_page_html.h" /* status_page_html: made from web/status.html by the build */

const char status_page_headers[] =
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; connect-src *; "
    "script-src '" STATUS_PAGE_HTML_SCRIPT_HASH "'\r\n";

static void write_escaped(struct writer *writer, struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        switch (text.data[i]) {
        case '<':
            WRITER_PUT(writer, "&lt;");
            break;
        case '>':
            WRITER_PUT(writer, "&gt;");
            break;
        case '&':
            WRITER_PUT(writer, "&amp;");
            break;
        case '"':
            WRITER_PUT(writer, "&quot;");
            break;
        case '\'':
            WRITER_PUT(writer, "&#39;");
            break;
        default:
            writer_put_byte(writer, text.data[i]); /* origins are UTF-8, whatever was sent */
        }
    }
}

static void write_rooms(struct writer *writer, const struct status_page *page)
{
    writer_put_decimal(writer, page->total->rooms);
}

static void write_clients(struct writer *writer, const struct status_page *page)
{
    writer_put_decimal(writer, page->total->clients);
}

static void write_messages(struct writer *writer, const struct status_page *page)
{
    writer_put_decimal(writer, page->total->counters[COUNTER_MESSAGES_IN]);
}

static void write_deliveries(struct writer *writer, const struct status_page *page)
{
    writer_put_decimal(writer, page->total->counters[COUNTER_DELIVERIES]);
}

static void write_loops(struct writer *writer, const struct status_page *page)
{
    writer_put_decimal(writer, page->loop_count);
}

static void write_poller(struct writer *writer, const struct status_page *page)
{
    writer_put_string(writer, page->poller == POLLER_IO_URING ? "io_uring" : "epoll");
}

static void write_uptime(struct writer *writer, const struct status_page *page)
{
    uint32_t minutes = page->uptime_s / 60;
    if (minutes >= 60) {
        writer_put_decimal(writer, minutes / 60);
        WRITER_PUT(writer, " h ");
    }
    writer_put_decimal(writer, minutes % 60);
    WRITER_PUT(writer, " min ");
    writer_put_decimal(writer, page->uptime_s % 60);
    WRITER_PUT(writer, " s");
}

static void write_version(struct writer *writer, const struct status_page *page)
{
    (void)page;
    writer_put_string(writer, PARTY_SOCKETS_VERSION);
}

static void write_origins(struct writer *writer, const struct status_page *page)
{
    for (size_t i = 0; i < page->origin_count; i++) {
        const struct origin_counts *origin = &page->origins[i];
        WRITER_PUT(writer, "<tr><td>");
        write_escaped(writer, bytes_of(origin->name, origin->name_length));
        WRITER_PUT(writer, "</td><td>");
        writer_put_decimal(writer, origin->rooms);
        WRITER_PUT(writer, "</td><td>");
        writer_put_decimal(writer, origin->clients);
        WRITER_PUT(writer, "</td></tr>\n");
    }
    if (page->origin_count == 0)
        WRITER_PUT(writer, "<tr><td colspan=\"3\">Nobody is here yet.</td></tr>\n");
}

static void write_event(struct writer *writer, const char *text, uint64_t count)
{
    if (count == 0)
        return;
    WRITER_PUT(writer, "<tr><td>");
    write_escaped(writer, bytes_of_string(text));
    WRITER_PUT(writer, "</td><td>");
    writer_put_decimal(writer, count);
    WRITER_PUT(writer, "</td></tr>\n");
}

static void write_events(struct writer *writer, const struct status_page *page)
{
    const struct loop_stats *total = page->total;
    WRITER_PUT(writer, "<tr><td>bytes buffered now</td><td>");
    writer_put_decimal(writer, total->buffered);
    WRITER_PUT(writer, "</td></tr>\n");
    for (enum counter counter = 0; counter < COUNTERS; counter++)
        write_event(writer, stats_counter_text(counter), total->counters[counter]);
    for (enum relay_error error = 0; error < RELAY_ERRORS; error++)
        write_event(writer, relay_error_text(error), total->errors[error]);
}

static const struct {
    const char *name;
    void (*write)(struct writer *writer, const struct status_page *page);
} fields[] = {
    {"rooms", write_rooms},           {"clients", write_clients}, {"messages", write_messages},
    {"deliveries", write_deliveries}, {"loops", write_loops},     {"poller", write_poller},
    {"uptime", write_uptime},         {"version", write_version}, {"origins", write_origins},
    {"events", write_events},
};

static void write_field(struct writer *writer, struct bytes name, const struct status_page *page)
{
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        if (bytes_equal(name, bytes_of_string(fields[i].name)))
            fields[i].write(writer, page);
    }
}

void status_page_write(struct writer *writer, const struct status_page *page)
{
    const uint8_t *at = status_page_html;
    const uint8_t *end = at + sizeof status_page_html;
    for (;;) {
        const uint8_t *open = memmem(at, (size_t)(end - at), "{{", 2);
        if (open == NULL)
            break;
        const uint8_t *close = memmem(open, (size_t)(end - open), "}}", 2);
        if (close == NULL)
            break;
        writer_put(writer, bytes_of(at, (size_t)(open - at)));
        write_field(writer, bytes_of(open + 2, (size_t)(close - open - 2)), page);
        at = close + 2;
    }
    writer_put(writer, bytes_of(at, (size_t)(end - at)));
}
