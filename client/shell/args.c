#include "client/shell/args.h"

#include "client/shell/shell.h"
#include "common/mem.h"

void args_init(struct args *args, const char *const *items, size_t count)
{
    args->count = count;
    args->capacity = count + 1;
    args->items = mem_alloc(args->capacity * sizeof *args->items);
    if (count) memcpy(args->items, items, count * sizeof *items);
}

void args_release(struct args *args)
{
    mem_free(args->items);
    *args = (struct args){.items = NULL};
}

const char *args_remove(struct args *args, size_t at)
{
    const char *item;

    assert(at < args->count);
    item = args->items[at];
    args->count--;
    memmove(args->items + at, args->items + at + 1, (args->count - at) * sizeof *args->items);
    return item;
}

void args_insert(struct args *args, size_t at, const char *item)
{
    assert(at <= args->count);
    GROW(args->items, args->capacity, args->count + 1);
    memmove(args->items + at + 1, args->items + at, (args->count - at) * sizeof *args->items);
    args->items[at] = item;
    args->count++;
}

static const struct option *option_find(const struct option *options, const char *name)
{
    for (; options && options->name; options++)
        if (str_eq(options->name, name)) return options;
    return NULL;
}

static void take_option(struct args *args, size_t at, const struct option *option, size_t min)
{
    args_remove(args, at);
    if (option->set) *option->set = true;
    if (!option->value) return;
    *option->value = "";
    if (at < args->count && args->count > min && args->items[at][0] != '-')
        *option->value = args_remove(args, at);
}

static int check_count(const struct args *args, size_t min, size_t max, struct err *err)
{
    if (args->count < min) {
        err_set(err, ERR_ARGUMENT, "Not enough arguments: expected %zu but got %zu", min,
                args->count);
        return SHELL_ILLEGAL;
    }
    if (args->count > max) {
        err_set(err, ERR_ARGUMENT, "Too many arguments: expected %zu but got %zu", max,
                args->count);
        return SHELL_ILLEGAL;
    }
    return 0;
}

int args_parse(struct args *args, size_t min, size_t max, const struct option *options,
               bool pass_unknown, struct err *err)
{
    size_t at = 0;

    while (at < args->count) {
        const char *arg = args->items[at];
        if (arg[0] != '-' || !arg[1]) break;
        if (str_eq(arg, "--")) {
            args_remove(args, at);
            break;
        }
        const struct option *option = option_find(options, arg + 1);
        if (option) {
            take_option(args, at, option, min);
        } else if (pass_unknown) {
            at++;
        } else {
            err_set(err, ERR_ARGUMENT, "Illegal option %s", arg);
            return SHELL_ILLEGAL;
        }
    }
    return check_count(args, min, max, err);
}

/* Where `name` stands before "--", or args->count. */
static size_t find_before_end(const struct args *args, const char *name)
{
    for (size_t i = 0; i < args->count && !str_eq(args->items[i], "--"); i++)
        if (str_eq(args->items[i], name)) return i;
    return args->count;
}

bool args_pop_option(struct args *args, const char *name)
{
    size_t at = find_before_end(args, name);

    if (at == args->count) return false;
    args_remove(args, at);
    return true;
}

int args_pop_value(struct args *args, const char *name, const char **value, struct err *err)
{
    size_t at = find_before_end(args, name);

    *value = NULL;
    if (at == args->count) return 0;
    args_remove(args, at);
    if (at == args->count) {
        err_set(err, ERR_ARGUMENT, "option %s requires 1 argument.", name);
        return SHELL_ILLEGAL;
    }
    *value = args_remove(args, at);
    return 0;
}

const char *args_pop_plain(struct args *args)
{
    for (size_t i = 0; i < args->count; i++) {
        if (str_eq(args->items[i], "--"))
            return i + 1 < args->count ? args_remove(args, i + 1) : NULL;
        if (args->items[i][0] != '-') return args_remove(args, i);
    }
    return NULL;
}
