#include "namenode/hosts_json.h"

#include <json-c/json.h>

enum { DEPTH_MAX = 4, TEXT_MAX = 64 * MIB };

static int bad_field(const char *key, const char *what, struct err *err)
{
    return err_set(err, ERR_CONFIG, "invalid JSON format: %s is %s", key, what);
}

static int take_string(const char *key, struct json_object *value, char out[HOST_TEXT_MAX],
                       struct err *err)
{
    if (!json_object_is_type(value, json_type_string)) return bad_field(key, "not a string", err);
    size_t length = (size_t)json_object_get_string_len(value);
    const char *text = json_object_get_string(value);
    if (length >= HOST_TEXT_MAX) return bad_field(key, "an overlong string", err);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= ' ') return bad_field(key, "no name", err);
    memcpy(out, text, length);
    out[length] = '\0';
    return 0;
}

/* Numbers beyond int64_t come clamped from json-c: the largest is "never" then, too. */
static int take_number(const char *key, struct json_object *value, int64_t max, int64_t *out,
                       struct err *err)
{
    if (!json_object_is_type(value, json_type_int)) return bad_field(key, "not a number", err);
    *out = json_object_get_int64(value);
    return *out < 0 || *out > max ? bad_field(key, "a number out of range", err) : 0;
}

static int take_state(const char *key, struct json_object *value, enum dn_admin_state *state,
                      struct err *err)
{
    static const struct {
        const char *name;
        enum dn_admin_state state;
    } STATES[] = {
        {"NORMAL", DN_NORMAL},
        {"DECOMMISSION_INPROGRESS", DN_DECOMMISSIONING},
        {"DECOMMISSIONED", DN_DECOMMISSIONED},
        {"ENTERING_MAINTENANCE", DN_ENTERING_MAINTENANCE},
        {"IN_MAINTENANCE", DN_IN_MAINTENANCE},
    };
    char text[HOST_TEXT_MAX];
    int rc = take_string(key, value, text, err);

    if (rc) return rc;
    for (size_t i = 0; i < ARRAY_LEN(STATES); i++)
        if (str_eq(text, STATES[i].name)) {
            *state = STATES[i].state;
            return 0;
        }
    return bad_field(key, "none that is known", err);
}

static int take_field(struct host_json *host, const char *key, struct json_object *value,
                      struct err *err)
{
    int64_t port = 0;

    if (!value) return 0; /* null */
    if (str_eq(key, "hostName")) return take_string(key, value, host->name, err);
    if (str_eq(key, "upgradeDomain")) return take_string(key, value, host->upgrade_domain, err);
    if (str_eq(key, "adminState")) return take_state(key, value, &host->state, err);
    if (str_eq(key, "maintenanceExpireTimeInMS"))
        return take_number(key, value, INT64_MAX, &host->expires_wall_ms, err);
    if (!str_eq(key, "port"))
        return err_set(err, ERR_CONFIG, "invalid JSON format: unknown key '%.64s'", key);
    int rc = take_number(key, value, UINT16_MAX, &port, err);
    host->port = (uint16_t)port;
    return rc;
}

static int take_host(struct json_object *object, host_json_fn *fn, void *arg, struct err *err)
{
    struct host_json host = {.state = DN_NORMAL, .expires_wall_ms = INT64_MAX};
    struct json_object_iterator at, end;

    if (!json_object_is_type(object, json_type_object))
        return err_set(err, ERR_CONFIG, "invalid JSON format: an object is wanted for each host");
    at = json_object_iter_begin(object);
    end = json_object_iter_end(object);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        int rc = take_field(&host, json_object_iter_peek_name(&at),
                            json_object_iter_peek_value(&at), err);
        if (rc) return rc;
    }
    if (!host.name[0])
        return err_set(err, ERR_CONFIG, "invalid JSON format: a host without hostName");
    return fn(&host, arg, err);
}

static int take_value(struct json_object *value, host_json_fn *fn, void *arg, struct err *err)
{
    int rc = 0;

    if (!json_object_is_type(value, json_type_array)) return take_host(value, fn, arg, err);
    for (size_t i = 0; !rc && i < json_object_array_length(value); i++)
        rc = take_host(json_object_array_get_idx(value, i), fn, arg, err);
    return rc;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int at_line(const char *text, size_t offset, const char *what, struct err *err)
{
    size_t line = 1;

    for (size_t i = 0; i < offset; i++) line += text[i] == '\n';
    return err_set(err, ERR_CONFIG, "invalid JSON format in line %zu: %s", line, what);
}

/* One value from *offset on, and what follows it skipped. */
static int parse_value(struct json_tokener *tokener, const char *text, size_t length,
                       size_t *offset, struct json_object **out, struct err *err)
{
    json_tokener_reset(tokener);
    *out = json_tokener_parse_ex(tokener, text + *offset, (int)(length - *offset));
    enum json_tokener_error error = json_tokener_get_error(tokener);
    *offset += json_tokener_get_parse_end(tokener);
    if (error) return at_line(text, *offset, json_tokener_error_desc(error), err);
    while (*offset < length && is_space(text[*offset])) ++*offset;
    return 0;
}

int hosts_json_parse(const char *text, size_t length, host_json_fn *fn, void *arg, struct err *err)
{
    struct json_tokener *tokener;
    size_t offset = 0;
    bool list = false;
    int rc = 0;

    if (length > TEXT_MAX) return err_set(err, ERR_CONFIG, "more than %d bytes", TEXT_MAX);
    while (offset < length && is_space(text[offset])) offset++;
    tokener = json_tokener_new_ex(DEPTH_MAX);
    if (!tokener) return err_set(err, ERR_NO_MEMORY, "out of memory");
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
                                        JSON_TOKENER_VALIDATE_UTF8);
    while (!rc && offset < length) {
        struct json_object *value = NULL;
        if (list) rc = at_line(text, offset, "something follows the list", err);
        if (!rc) rc = parse_value(tokener, text, length, &offset, &value, err);
        list = !rc && json_object_is_type(value, json_type_array);
        if (!rc) rc = take_value(value, fn, arg, err);
        json_object_put(value);
    }
    json_tokener_free(tokener);
    return rc;
}
