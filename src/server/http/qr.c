/* Draws one path for all dark modules, with a rectangle for each run of them in a row. */
#include "server/http/qr.h"

#include <qrencode.h>

#define QUIET_ZONE 4 /* light modules around the code; ISO/IEC 18004 */

static bool is_dark(const QRcode *code, int row, int column)
{
    return (code->data[row * code->width + column] & 1) != 0;
}

static void write_number(struct writer *writer, int number)
{
    writer_put_decimal(writer, (uint64_t)number);
}

static void write_run(struct writer *writer, int row, int first, int length)
{
    WRITER_PUT(writer, "M");
    write_number(writer, QUIET_ZONE + first);
    WRITER_PUT(writer, " ");
    write_number(writer, QUIET_ZONE + row);
    WRITER_PUT(writer, "h");
    write_number(writer, length);
    WRITER_PUT(writer, "v1h-");
    write_number(writer, length);
    WRITER_PUT(writer, "z");
}

static void write_modules(struct writer *writer, const QRcode *code)
{
    for (int row = 0; row < code->width; row++) {
        for (int column = 0; column < code->width; column++) {
            int first = column;
            while (column < code->width && is_dark(code, row, column))
                column++;
            if (column > first)
                write_run(writer, row, first, column - first);
        }
    }
}

/* A link is a valid URL, in which only these characters need escapes in XML. */
static void write_title(struct writer *writer, struct bytes link)
{
    for (size_t i = 0; i < link.length; i++) {
        if (link.data[i] == '&')
            WRITER_PUT(writer, "&amp;");
        else if (link.data[i] == '<')
            WRITER_PUT(writer, "&lt;");
        else if (link.data[i] == '>')
            WRITER_PUT(writer, "&gt;");
        else
            writer_put_byte(writer, link.data[i]);
    }
}

static void write_picture(struct writer *writer, const QRcode *code, struct bytes link)
{
    int size = code->width + 2 * QUIET_ZONE;
    WRITER_PUT(writer, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ");
    write_number(writer, size);
    WRITER_PUT(writer, " ");
    write_number(writer, size);
    WRITER_PUT(writer, "\" shape-rendering=\"crispEdges\" role=\"img\"><title>");
    write_title(writer, link);
    WRITER_PUT(writer, "</title><path fill=\"#fff\" d=\"M0 0h");
    write_number(writer, size);
    WRITER_PUT(writer, "v");
    write_number(writer, size);
    WRITER_PUT(writer, "H0z\"/><path d=\"");
    write_modules(writer, code);
    WRITER_PUT(writer, "\"/></svg>\n");
}

struct payload *qr_draw(struct bytes link, size_t *account)
{
    if (link.length == 0 || link.length > QR_LINK_BYTES_MAX)
        return NULL;
    QRcode *code = QRcode_encodeData((int)link.length, link.data, 0, QR_ECLEVEL_M);
    if (code == NULL)
        return NULL;
    struct writer measure = writer_over(NULL, 0);
    write_picture(&measure, code, link);
    struct payload *picture = payload_new((uint32_t)measure.length, account);
    if (picture != NULL) {
        struct writer writer = writer_over(picture->data, picture->length);
        write_picture(&writer, code, link);
    }
    QRcode_free(code);
    return picture;
}
