/*
 * Templates of pages, judged on their canonical form: in it neither braces nor spaces are escaped,
 * and once there are no controls, nothing is but quotes and backslashes. What a URL is, is asked of
 * src/proto/url.c, which is compared with Node elsewhere.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proto/url.h"
#include "relay/relay_model_text.h"

#define TEMPLATE_BYTES_MAX 512

static bool is_control_or_space(uint16_t unit)
{
    return unit <= 0x20 || (unit >= 0x7F && unit <= 0x9F);
}

static bool is_surrogate(uint16_t unit, uint16_t first)
{
    return unit >= first && unit < first + 0x400;
}

bool has_half(const struct simple_string *string)
{
    for (size_t i = 0; i < string->length; i++) {
        bool is_pair = is_surrogate(string->units[i], 0xD800) && i + 1 < string->length &&
                       is_surrogate(string->units[i + 1], 0xDC00);
        if (is_pair)
            i++;
        else if (string->units[i] >= 0xD800 && string->units[i] <= 0xDFFF)
            return true;
    }
    return false;
}

/* What can be said of the string before it is taken for a template; NULL: nothing against it. */
static const char *string_fault(const struct simple_string *string)
{
    if (simple_string_utf8_length(string) > TEMPLATE_BYTES_MAX)
        return "url too large";
    if (has_half(string)) /* we are stricter than browsers, who would read another character */
        return "url is not a valid URL";
    for (size_t i = 0; i < string->length; i++) {
        if (is_control_or_space(string->units[i]))
            return "url must not contain spaces or control characters";
    }
    return NULL;
}

/* The placeholder that begins at a brace, with its braces; empty: none does. */
static struct bytes placeholder_at(const char *text)
{
    size_t inside = strcspn(text + 1, "{}");
    return bytes_of(text, text[1 + inside] == '}' ? inside + 2 : 0);
}

static bool is_known(struct bytes placeholder)
{
    return bytes_equal(placeholder, BYTES("{room}")) ||
           bytes_equal(placeholder, BYTES("{instance}"));
}

/* The error that the braces of a template are worth, to be freed; or NULL. */
static char *brace_fault(const char *form)
{
    bool is_stray = false;
    for (const char *at = form; *at != '\0'; at++) {
        struct bytes placeholder = *at == '{' ? placeholder_at(at) : bytes_of("", 0);
        if (placeholder.length > 0 && !is_known(placeholder))
            return format_text("Unknown url placeholder: %.*s", (int)placeholder.length,
                               (const char *)placeholder.data);
        if (placeholder.length > 0)
            at += placeholder.length - 1;
        else if (*at == '{' || *at == '}')
            is_stray = true;
    }
    return is_stray ? format_text("url has an unmatched placeholder brace") : NULL;
}

/* The text with this in place of a placeholder, everywhere. Takes the text; to be freed. */
static char *replace_all(char *text, const char *placeholder, struct bytes value)
{
    char *found;
    size_t behind = 0; /* what was filled in is not looked at again */
    while ((found = strstr(text + behind, placeholder)) != NULL) {
        size_t before = (size_t)(found - text);
        char *replaced = format_text("%.*s%.*s%s", (int)before, text, (int)value.length,
                                     (const char *)value.data, found + strlen(placeholder));
        free(text);
        text = replaced;
        behind = before + value.length;
    }
    return text;
}

char *filled_url(const struct instance *instance, struct simple_value url, const char *code)
{
    char *text = replace_all(canonical_form(url), "{instance}", instance->id);
    return replace_all(text, "{room}", bytes_of_string(code));
}

/* Of what is filled in. */
static enum url_kind kind_of(const struct instance *instance, struct simple_value url)
{
    char *text = filled_url(instance, url, "ABCDEF");
    size_t length = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\')
            at++;
        text[length++] = *at;
    }
    enum url_kind kind = url_classify(bytes_of(text, length));
    free(text);
    return kind;
}

char *url_fault(const struct instance *instance, struct simple_value url, bool allows_near)
{
    if (url.kind != JSON_STRING)
        return format_text("url must be a string");
    struct simple_string decoded = simple_json_decode(url.raw);
    const char *fault = string_fault(&decoded);
    simple_string_release(&decoded);
    if (fault != NULL)
        return format_text("%s", fault);
    char *form = canonical_form(url);
    char *of_braces = brace_fault(form);
    free(form);
    if (of_braces != NULL)
        return of_braces;
    enum url_kind kind = kind_of(instance, url);
    if (kind == URL_INVALID)
        return format_text("url is not a valid URL");
    bool is_right = kind == URL_HTTPS || (allows_near && kind == URL_HTTP_NEAR);
    return is_right ? NULL : format_text("url must be an https URL");
}
