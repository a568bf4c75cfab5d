/*
 * A command's arguments: a list that options are taken out of (CommandFormat,
 * StringUtils.popOption). One thread. The strings belong to whoever made the list.
 */
#ifndef CLIENT_SHELL_ARGS_H
#define CLIENT_SHELL_ARGS_H

#include "common/base.h"
#include "common/err.h"

struct args {
    const char **items; /* owned */
    size_t count;
    size_t capacity;
};

void args_init(struct args *args, const char *const *items, size_t count); /* copies the pointers */
void args_release(struct args *args);
const char *args_remove(struct args *args, size_t at);
void args_insert(struct args *args, size_t at, const char *item);
static inline const char *args_shift(struct args *args)
{
    return args_remove(args, 0);
}
static inline const char *args_pop(struct args *args)
{
    return args_remove(args, args->count - 1);
}

/* One accepted option: a switch or, with `value`, one that takes an argument ("" when that is
 * missing). */
struct option {
    const char *name; /* without its dash */
    bool *set;
    const char **value; /* NULL left in it when the option is not given */
};

enum { ARGS_MANY = INT32_MAX };

/* Takes the leading options out and checks how many arguments are left. `options` ends with a
 * zeroed one. `pass_unknown`: an unknown option is left where it is. SHELL_ILLEGAL with Apache's
 * words. */
int args_parse(struct args *args, size_t min, size_t max, const struct option *options,
               bool pass_unknown, struct err *err) MUST_CHECK;

/* Takes `name` out from wherever it stands before "--"; tells whether it was there. */
bool args_pop_option(struct args *args, const char *name);
/* The same for an option with an argument; *value is NULL when it is absent. */
int args_pop_value(struct args *args, const char *name, const char **value,
                   struct err *err) MUST_CHECK;
/* The first argument that is no option, or NULL. */
const char *args_pop_plain(struct args *args);

#endif
