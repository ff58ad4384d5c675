/*
 * For the comparison with another parser of URLs: reads one text a line, its bytes in hex, and
 * prints what kind of URL each of them is, one a line.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proto/url.h"

static const char *const names[] = {
    [URL_INVALID] = "invalid", [URL_HTTPS] = "https", [URL_HTTP] = "http",
    [URL_HTTP_NEAR] = "http",  [URL_OTHER] = "other",
};

/* In a buffer of just that size, so that the address sanitizer sees what is read beyond it. */
static enum url_kind classify_hex(const char *line, size_t digits)
{
    size_t length = digits / 2;
    uint8_t *text = malloc(length > 0 ? length : 1);
    if (text == NULL)
        abort();
    for (size_t i = 0; i < length; i++) {
        if (sscanf(line + 2 * i, "%2hhx", &text[i]) != 1)
            abort();
    }
    enum url_kind kind = url_classify(bytes_of(text, length));
    free(text);
    return kind;
}

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) > 0)
        puts(names[classify_hex(line, (size_t)length - (line[length - 1] == '\n'))]);
    free(line);
    return 0;
}
