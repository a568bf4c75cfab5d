#include "client/glob.h"

#include "common/buf.h"
#include "common/mem.h"

struct list {
    char **items;
    size_t count, capacity;
};

static void list_add(struct list *list, const char *text, size_t length)
{
    GROW(list->items, list->capacity, list->count + 2);
    list->items[list->count++] = mem_strndup(text, length);
    list->items[list->count] = NULL;
}

void glob_list_free(char **list)
{
    for (size_t i = 0; list && list[i]; i++) mem_free(list[i]);
    mem_free(list);
}

static int illegal(struct err *err, const char *pattern, const char *what, size_t at)
{
    return err_set(err, ERR_IO, "Illegal file pattern: error parsing regexp: %s at pos %zu: `%s`",
                   what, at, pattern);
}

/* ---- braces ---- */

struct brace {
    size_t open, close; /* positions of { and } */
    bool found;
};

/* The leftmost outer pair of braces, of those that hold a slash if `slash` is wanted. */
static int find_brace(const char *pattern, bool slash, struct brace *brace, struct err *err)
{
    size_t depth = 0, open = 0;
    bool seen_slash = false;
    bool in_set = false;

    *brace = (struct brace){0};
    for (size_t i = 0; pattern[i]; i++) {
        char c = pattern[i];
        if (c == '\\') {
            if (!pattern[++i])
                return illegal(err, pattern, "An escaped character does not present for glob", i);
        } else if (in_set) {
            in_set = c != ']';
        } else if (c == '[') {
            in_set = true;
        } else if (c == '{') {
            if (depth++ == 0) {
                open = i;
                seen_slash = false;
            }
        } else if (c == '}' && depth > 0) {
            if (--depth == 0 && (seen_slash || !slash)) {
                *brace = (struct brace){.open = open, .close = i, .found = true};
                return 0;
            }
        } else if (c == '/' && depth > 0) {
            seen_slash = true;
        }
    }
    if (depth && !slash) return illegal(err, pattern, "Unclosed group", strlen(pattern));
    return 0;
}

/* Calls for each alternative between the braces, giving prefix + alternative + suffix to `out`. */
static int expand_brace(const char *pattern, struct brace brace, struct list *out, struct err *err)
{
    const char *suffix = pattern + brace.close + 1;
    size_t start = brace.open + 1, depth = 0;
    struct buf text = {0};

    for (size_t i = start; i <= brace.close; i++) {
        char c = pattern[i];
        if (c == '\\') {
            i++;
            continue;
        }
        if (c == '{') depth++;
        if (c == '}' && i < brace.close && depth) depth--;
        if (i < brace.close && (c != ',' || depth)) continue;
        buf_clear(&text);
        buf_put(&text, pattern, brace.open);
        buf_put(&text, pattern + start, i - start);
        buf_put_str(&text, suffix);
        list_add(out, (char *)text.data, text.length);
        start = i + 1;
        if (out->count > GLOB_ALTERNATIVES_MAX) {
            buf_release(&text);
            return err_set(err, ERR_LIMIT,
                           "Illegal file pattern: braces make more than %d alternatives",
                           GLOB_ALTERNATIVES_MAX);
        }
    }
    buf_release(&text);
    return 0;
}

/* Expands until no brace of the wanted kind is left. Depth first with a stack keeps the order of
 * the pattern. */
static int expand(const char *pattern, bool slash, char ***result, struct err *err)
{
    struct list todo = {0}, done = {0};
    int rc = 0;

    if (strlen(pattern) > GLOB_PATTERN_MAX)
        return err_set(err, ERR_LIMIT, "Illegal file pattern: longer than %d bytes",
                       GLOB_PATTERN_MAX);
    list_add(&todo, pattern, strlen(pattern));
    while (todo.count && !rc) {
        struct brace brace;
        struct list more = {0};
        char *next = todo.items[--todo.count];

        todo.items[todo.count] = NULL;
        rc = find_brace(next, slash, &brace, err);
        if (!rc && brace.found) rc = expand_brace(next, brace, &more, err);
        for (size_t i = more.count; i-- > 0;) list_add(&todo, more.items[i], strlen(more.items[i]));
        glob_list_free(more.items);
        if (!rc && !brace.found) list_add(&done, next, strlen(next));
        mem_free(next);
        if (!rc && todo.count + done.count > GLOB_ALTERNATIVES_MAX)
            rc = err_set(err, ERR_LIMIT,
                         "Illegal file pattern: braces make more than %d alternatives",
                         GLOB_ALTERNATIVES_MAX);
    }
    glob_list_free(todo.items);
    if (rc) glob_list_free(done.items);
    *result = rc ? NULL : done.items;
    return rc;
}

int glob_expand_slashes(const char *pattern, char ***list, struct err *err)
{
    return expand(pattern, true, list, err);
}

/* ---- matching one component ---- */

/* Bytes of the UTF-8 character at `s`; malformed bytes count one each. */
static size_t character_size(const char *s)
{
    unsigned char c = (unsigned char)*s;
    size_t size = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;

    for (size_t i = 1; i < size; i++)
        if (((unsigned char)s[i] & 0xc0) != 0x80) return 1;
    return size;
}

static uint32_t character(const char *s, size_t *size)
{
    uint32_t value = (unsigned char)*s;

    *size = character_size(s);
    if (*size > 1) value &= 0x7fu >> *size;
    for (size_t i = 1; i < *size; i++) value = value << 6 | ((unsigned char)s[i] & 0x3f);
    return value;
}

/* One character of a set or a literal, escapes resolved; moves *pattern behind it. */
static uint32_t next_character(const char **pattern)
{
    size_t size;

    if (**pattern == '\\') (*pattern)++;
    uint32_t value = character(*pattern, &size);
    *pattern += size;
    return value;
}

/* `*pattern` is behind the '['; moves it behind the ']'. The pattern was checked by glob_compile().
 */
static bool set_match(const char **pattern, uint32_t c)
{
    bool negated = **pattern == '^' || **pattern == '!';
    bool found = false;

    if (negated) (*pattern)++;
    while (**pattern != ']') {
        uint32_t low = next_character(pattern), high = low;
        if (**pattern == '-' && (*pattern)[1] != ']') {
            (*pattern)++;
            high = next_character(pattern);
        }
        found |= c >= low && c <= high;
    }
    (*pattern)++;
    return found != negated;
}

/* Matches what is not a '*' at *pattern against one character of *name. */
static bool step(const char **pattern, const char **name)
{
    size_t size;

    if (!**name) return false;
    uint32_t c = character(*name, &size);
    *name += size;
    if (**pattern == '?') {
        (*pattern)++;
        return true;
    }
    if (**pattern == '[') {
        (*pattern)++;
        return set_match(pattern, c);
    }
    return next_character(pattern) == c;
}

/* Without braces. Only the last '*' needs to be gone back to. */
static bool match(const char *pattern, const char *name)
{
    const char *star = NULL, *star_name = NULL;

    while (*pattern || *name) {
        if (*pattern == '*') {
            star = ++pattern;
            star_name = name;
            continue;
        }
        if (*pattern && step(&pattern, &name)) continue;
        if (!star || !*star_name) return false;
        star_name += character_size(star_name);
        pattern = star;
        name = star_name;
    }
    return true;
}

/* ---- compiling ---- */

static int check_sets(const char *pattern, bool *wild, struct err *err)
{
    bool in_set = false;
    size_t open = 0;

    for (size_t i = 0; pattern[i]; i++) {
        char c = pattern[i];
        if (c == '\\') {
            if (!pattern[++i]) return illegal(err, pattern, "Missing escaped character", i);
        } else if (in_set) {
            if (c == '[') return illegal(err, pattern, "Unclosed character class", i);
            if (c == ']' && i == open + 1)
                return illegal(err, pattern, "Unclosed character class", i);
            in_set = c != ']';
        } else if (c == '[') {
            in_set = *wild = true;
            open = i;
            if (pattern[i + 1] == '^' || pattern[i + 1] == '!') open = ++i;
        } else if (c == '*' || c == '?' || c == '{') {
            *wild = true;
        }
    }
    return in_set ? illegal(err, pattern, "Unclosed character class", strlen(pattern)) : 0;
}

static char *unescape(const char *text)
{
    char *plain = mem_alloc(strlen(text) + 1), *to = plain;

    for (; *text; text++) {
        if (*text == '\\' && text[1]) text++;
        *to++ = *text;
    }
    *to = '\0';
    return plain;
}

int glob_compile(struct glob *glob, const char *component, struct err *err)
{
    *glob = (struct glob){0};
    int rc = check_sets(component, &glob->wild, err);
    if (!rc && glob->wild) rc = expand(component, false, &glob->alternatives, err);
    for (size_t i = 0; !rc && glob->wild && glob->alternatives[i]; i++) {
        bool ignored; /* a brace may have been closed inside of a set */
        rc = check_sets(glob->alternatives[i], &ignored, err);
    }
    if (rc) {
        glob_release(glob);
        return rc;
    }
    glob->literal = unescape(component);
    return 0;
}

bool glob_match(const struct glob *glob, const char *name)
{
    if (!glob->wild) return str_eq(glob->literal, name);
    for (size_t i = 0; glob->alternatives[i]; i++)
        if (match(glob->alternatives[i], name)) return true;
    return false;
}

void glob_release(struct glob *glob)
{
    mem_free(glob->literal);
    glob_list_free(glob->alternatives);
    *glob = (struct glob){0};
}
