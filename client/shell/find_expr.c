#include "client/shell/find_expr.h"

#include <stdio.h>

#include "client/glob.h"
#include "client/shell/text.h"
#include "common/mem.h"
#include "common/path.h"

enum { FIND_EXPR_MAX = 10000, FIND_DEPTH_MAX = 100 };

enum kind { KIND_AND, KIND_NAME, KIND_INAME, KIND_PRINT, KIND_PRINT0 };

static const struct {
    const char *word;
    enum kind kind;
} words[] = {
    {"-a", KIND_AND},       {"-and", KIND_AND},     {"-name", KIND_NAME},
    {"-iname", KIND_INAME}, {"-print", KIND_PRINT}, {"-print0", KIND_PRINT0},
};

struct find_expr {
    enum kind kind;
    const char *pattern;
    struct glob glob;
    struct find_expr *first, *second; /* of an And */
};

static struct find_expr *new_expr(enum kind kind)
{
    struct find_expr *expr = NEW(struct find_expr);

    expr->kind = kind;
    return expr;
}

void find_expr_free(struct find_expr *expr)
{
    if (!expr) return;
    find_expr_free(expr->first);
    find_expr_free(expr->second);
    glob_release(&expr->glob);
    mem_free(expr);
}

static bool is_action(const struct find_expr *expr)
{
    if (expr->kind == KIND_AND) return is_action(expr->first) || is_action(expr->second);
    return expr->kind == KIND_PRINT || expr->kind == KIND_PRINT0;
}

static bool find_word(const char *word, enum kind *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(words[i].word, word)) {
            *kind = words[i].kind;
            return true;
        }
    return false;
}

static int missing(struct err *err)
{
    err_set(err, ERR_ARGUMENT, "java.util.NoSuchElementException");
    return SHELL_FATAL;
}

/* Takes one operand: a primary or a parenthesis. NULL in *expr at ")" and at the end. */
static int parse_level(struct args *args, int depth, struct find_expr **expr, struct err *err);

static int parse_operand(struct args *args, int depth, struct find_expr **expr, struct err *err)
{
    const char *word = args_shift(args);
    enum kind kind;

    if (str_eq(word, "(")) return parse_level(args, depth + 1, expr, err);
    if (!find_word(word, &kind)) return err_set(err, ERR_ARGUMENT, "Unexpected argument: %s", word);
    if (kind == KIND_AND) return missing(err);
    *expr = new_expr(kind);
    if (kind == KIND_PRINT || kind == KIND_PRINT0) return 0;
    if (!args->count) return missing(err);
    (*expr)->pattern = args_shift(args);
    return 0;
}

/* Operands joined by -a or by nothing, up to ")" or the end. */
static int parse_level(struct args *args, int depth, struct find_expr **expr, struct err *err)
{
    enum kind kind;
    int rc = 0;

    *expr = NULL;
    if (depth > FIND_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "more than %d nested parentheses", FIND_DEPTH_MAX);
    while (!rc && args->count) {
        struct find_expr *operand = NULL, *both;
        if (str_eq(args->items[0], ")")) {
            args_shift(args);
            break;
        }
        if (find_word(args->items[0], &kind) && kind == KIND_AND) {
            args_shift(args);
            if (!*expr || !args->count || str_eq(args->items[0], ")")) return missing(err);
        }
        rc = parse_operand(args, depth, &operand, err);
        if (!*expr || !operand) {
            if (operand) *expr = operand;
            continue;
        }
        both = new_expr(KIND_AND);
        both->first = *expr;
        both->second = operand;
        *expr = both;
    }
    if (!rc && !*expr) *expr = new_expr(KIND_PRINT);
    return rc;
}

int find_expr_parse(struct args *args, struct find_expr **expr, struct err *err)
{
    struct find_expr *both;
    int rc;

    *expr = NULL;
    if (args->count > FIND_EXPR_MAX)
        return err_set(err, ERR_LIMIT, "an expression of more than %d words", FIND_EXPR_MAX);
    rc = parse_level(args, 0, expr, err);
    if (rc) {
        find_expr_free(*expr);
        *expr = NULL;
        return rc;
    }
    if (is_action(*expr)) return 0;
    both = new_expr(KIND_AND);
    both->first = *expr;
    both->second = new_expr(KIND_PRINT);
    *expr = both;
    return 0;
}

int find_expr_prepare(struct find_expr *expr, struct err *err)
{
    char *pattern;
    int rc;

    if (expr->kind == KIND_AND) {
        rc = find_expr_prepare(expr->first, err);
        return rc ? rc : find_expr_prepare(expr->second, err);
    }
    if (!expr->pattern) return 0;
    pattern = expr->kind == KIND_INAME ? text_lower(expr->pattern) : mem_strdup(expr->pattern);
    rc = glob_compile(&expr->glob, pattern, err);
    mem_free(pattern);
    return rc ? SHELL_FATAL : 0;
}

static bool matches(const struct find_expr *expr, const struct item *item)
{
    const char *name = path_name(item->path);
    char *lower;
    bool yes;

    if (expr->kind == KIND_NAME) return glob_match(&expr->glob, name);
    lower = text_lower(name);
    yes = glob_match(&expr->glob, lower);
    mem_free(lower);
    return yes;
}

bool find_expr_apply(const struct find_expr *expr, const struct item *item)
{
    switch (expr->kind) {
    case KIND_AND: return find_expr_apply(expr->first, item) && find_expr_apply(expr->second, item);
    case KIND_NAME:
    case KIND_INAME: return matches(expr, item);
    case KIND_PRINT: puts(item->display); return true;
    case KIND_PRINT0: fwrite(item->display, 1, strlen(item->display) + 1, stdout); return true;
    }
    return false;
}
