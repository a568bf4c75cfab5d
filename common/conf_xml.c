#include "common/conf_xml.h"

#include <ctype.h>
#include <expat.h>
#include <limits.h>

#include "common/buf.h"
#include "common/mem.h"

enum { DEPTH_MAX = 64 };

enum place { IN_NOTHING, IN_CONFIGURATION, IN_PROPERTY, IN_NAME, IN_VALUE, IN_FINAL, IN_OTHER };

struct reader {
    XML_Parser parser;
    const char *source;
    conf_property_fn *fn;
    void *arg;
    struct err *err;
    int rc; /* the first error; nothing is done after it */
    enum place place[DEPTH_MAX];
    int depth;
    struct buf name, value;
    struct buf flag; /* text of <final> */
    bool has_name, has_value;
};

static void fail(struct reader *reader, const char *what, const char *which)
{
    if (reader->rc) return;
    reader->rc = err_set(reader->err, ERR_CONFIG, "%s, line %lu: %s%s", reader->source,
                         XML_GetCurrentLineNumber(reader->parser), what, which);
    XML_StopParser(reader->parser, XML_FALSE);
}

static void trim(struct buf *buf)
{
    while (buf->length && isspace(buf->data[buf->length - 1])) buf->length--;
    size_t front = 0;
    while (front < buf->length && isspace(buf->data[front])) front++;
    if (front) buf_consume(buf, front);
}

static void set_attribute(struct reader *reader, const char *name, const char *value)
{
    if (str_eq(name, "name")) {
        buf_put_str(&reader->name, value);
        reader->has_name = true;
    } else if (str_eq(name, "value")) {
        buf_put_str(&reader->value, value);
        reader->has_value = true;
    } else if (str_eq(name, "final")) {
        buf_put_str(&reader->flag, value);
    }
}

static void start_property(struct reader *reader, const char **attributes)
{
    buf_clear(&reader->name);
    buf_clear(&reader->value);
    buf_clear(&reader->flag);
    reader->has_name = reader->has_value = false;
    for (; attributes[0]; attributes += 2) set_attribute(reader, attributes[0], attributes[1]);
}

static enum place place_below(struct reader *reader, enum place above, const char *element,
                              const char **attributes)
{
    if (above == IN_CONFIGURATION && str_eq(element, "property")) {
        start_property(reader, attributes);
        return IN_PROPERTY;
    }
    if (above == IN_CONFIGURATION && str_eq(element, "configuration")) return IN_CONFIGURATION;
    if (above != IN_PROPERTY) return IN_OTHER;
    if (str_eq(element, "name")) {
        buf_clear(&reader->name);
        reader->has_name = true;
        return IN_NAME;
    }
    if (str_eq(element, "value")) {
        buf_clear(&reader->value);
        reader->has_value = true;
        return IN_VALUE;
    }
    if (str_eq(element, "final")) {
        buf_clear(&reader->flag);
        return IN_FINAL;
    }
    return IN_OTHER;
}

static bool is_include(const char *element)
{
    const char *colon = strchr(element, ':');
    const char *local = colon ? colon + 1 : element;
    return str_eq(local, "include") || str_eq(local, "fallback");
}

static void XMLCALL on_start(void *arg, const char *element, const char **attributes)
{
    struct reader *reader = arg;

    if (reader->rc) return;
    if (is_include(element)) {
        fail(reader,
             "includes are not supported; copy the included properties into this file: ", element);
    } else if (reader->depth == DEPTH_MAX) {
        fail(reader, "elements are nested too deep at ", element);
    } else if (reader->depth == 0) {
        if (!str_eq(element, "configuration"))
            fail(reader, "the top element must be <configuration>, not ", element);
        reader->place[reader->depth++] = IN_CONFIGURATION;
    } else {
        enum place place =
            place_below(reader, reader->place[reader->depth - 1], element, attributes);
        reader->place[reader->depth++] = place;
    }
}

static void end_property(struct reader *reader)
{
    trim(&reader->name);
    trim(&reader->value);
    trim(&reader->flag);
    if (!reader->has_name || !reader->name.length || !reader->has_value) return;
    if (memchr(reader->name.data, '\0', reader->name.length)) return;
    struct conf_property property = {
        .name = buf_cstr(&reader->name),
        .value = buf_cstr(&reader->value),
        .final = str_eq(buf_cstr(&reader->flag), "true"),
        .line = XML_GetCurrentLineNumber(reader->parser),
    };
    reader->rc = reader->fn(&property, reader->arg, reader->err);
    if (reader->rc) XML_StopParser(reader->parser, XML_FALSE);
}

static void XMLCALL on_end(void *arg, const char *element UNUSED)
{
    struct reader *reader = arg;

    if (reader->rc) return;
    assert(reader->depth > 0);
    if (reader->place[--reader->depth] == IN_PROPERTY) end_property(reader);
}

static void XMLCALL on_text(void *arg, const char *text, int length)
{
    struct reader *reader = arg;

    if (reader->rc || !reader->depth) return;
    switch (reader->place[reader->depth - 1]) {
    case IN_NAME: buf_put(&reader->name, text, (size_t)length); break;
    case IN_VALUE: buf_put(&reader->value, text, (size_t)length); break;
    case IN_FINAL: buf_put(&reader->flag, text, (size_t)length); break;
    default: break;
    }
}

static void XMLCALL on_entity(void *arg, const char *name, int is_parameter UNUSED,
                              const char *value UNUSED, int value_length UNUSED,
                              const char *base UNUSED, const char *system_id UNUSED,
                              const char *public_id UNUSED, const char *notation UNUSED)
{
    fail(arg, "entity declarations are refused: ", name);
}

int conf_xml_parse(const char *source, const char *text, size_t length, conf_property_fn *fn,
                   void *arg, struct err *err)
{
    struct reader reader = {.source = source, .fn = fn, .arg = arg, .err = err};

    if (length > INT_MAX)
        return err_set(err, ERR_CONFIG, "%s: too long for a configuration file", source);
    reader.parser = XML_ParserCreate(NULL);
    if (!reader.parser) return err_set(err, ERR_NO_MEMORY, "%s: out of memory", source);
    XML_SetUserData(reader.parser, &reader);
    XML_SetElementHandler(reader.parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader.parser, on_text);
    XML_SetEntityDeclHandler(reader.parser, on_entity);
    if (XML_Parse(reader.parser, text, (int)length, 1) != XML_STATUS_OK && !reader.rc)
        fail(&reader, "", XML_ErrorString(XML_GetErrorCode(reader.parser)));
    XML_ParserFree(reader.parser);
    buf_release(&reader.name);
    buf_release(&reader.value);
    buf_release(&reader.flag);
    return reader.rc;
}
