#include "client/shell/dfs.h"

#include "client/shell/help.h"
#include "client/shell/tool.h"

static const struct command_entry entries[] = {
#define COMMAND(id, name_, usage_, description_, replacement_)                                     \
    {name_, usage_, description_, replacement_, &command_##id},
#include "client/shell/commands.def"
#undef COMMAND
};

static const char usage_prefix[] = "Usage: hadoop fs [generic options]";

const struct command_entry *dfs_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        if (str_eq(entries[i].name, name)) return &entries[i];
    return NULL;
}

static void print_signature(FILE *file, const struct command_entry *entry)
{
    fprintf(file, "-%s%s%s", entry->name, *entry->usage ? " " : "", entry->usage);
}

static void print_all_usages(FILE *file)
{
    fprintf(file, "%s\n", usage_prefix);
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        if (entries[i].replacement) continue;
        fputs("\t[", file);
        print_signature(file, &entries[i]);
        fputs("]\n", file);
    }
}

void dfs_print_usage(FILE *file)
{
    print_all_usages(file);
    fputc('\n', file);
    shell_print_generic_usage(file);
}

void dfs_print_usage_of(FILE *file, const struct command_entry *entry)
{
    fprintf(file, "%s ", usage_prefix);
    print_signature(file, entry);
    fputc('\n', file);
}

void dfs_print_help_of(FILE *file, const struct command_entry *entry)
{
    struct buf text = {.data = NULL};

    print_signature(file, entry);
    fputs(" :\n", file);
    help_format(&text, entry->description);
    fwrite(text.data, 1, text.length, file);
    buf_release(&text);
}

void dfs_print_help(FILE *file)
{
    print_all_usages(file);
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        if (entries[i].replacement) continue;
        fputc('\n', file);
        dfs_print_help_of(file, &entries[i]);
    }
    fputc('\n', file);
    shell_print_generic_usage(file);
}

/* Each line of a message behind the word that was typed, with a hint for a forgotten dash. */
static void print_refusal(const char *word, const char *message)
{
    const char *line = message;

    fflush(stdout);
    for (;;) {
        size_t length = strcspn(line, "\n");
        fprintf(stderr, "%s: %.*s\n", word, (int)length, line);
        if (word[0] != '-' && dfs_find(word))
            fprintf(stderr, "Did you mean -%s?  This command begins with a dash.\n", word);
        if (!line[length]) break;
        line += length + 1;
    }
}

static int refuse(const char *word, const char *message, const struct command_entry *entry)
{
    print_refusal(word, message);
    dfs_print_usage(stderr);
    if (entry) dfs_print_usage_of(stderr, entry);
    return EXIT_USAGE;
}

int dfs_run(struct shell *shell, int argc, char **argv)
{
    const struct command_entry *entry;
    struct err err = ERR_INIT;
    int exit_code = 0, rc;

    if (argc < 1) {
        dfs_print_usage(stderr);
        return EXIT_USAGE;
    }
    entry = argv[0][0] == '-' ? dfs_find(argv[0] + 1) : NULL;
    if (!entry) return refuse(argv[0], "Unknown command", NULL);
    rc = command_run(entry, shell, (const char *const *)argv + 1, (size_t)argc - 1, &exit_code,
                     &err);
    if (rc == SHELL_ILLEGAL) return refuse(argv[0], err.text, entry);
    if (rc) {
        print_refusal(argv[0], "Fatal internal error");
        fprintf(stderr, "%s\n", err.text);
        return EXIT_USAGE;
    }
    return exit_code;
}

int dfs_main(int argc, char **argv)
{
    return tool_run(argc, argv, dfs_run);
}

/* ---- -usage and -help, the commands ---- */

static int for_each_command(struct args *args, void (*all)(FILE *),
                            void (*one)(FILE *, const struct command_entry *), struct err *err)
{
    if (!args->count) all(stdout);
    for (size_t i = 0; i < args->count; i++) {
        const struct command_entry *entry = dfs_find(args->items[i]);
        if (!entry) return command_illegal(err, "`%s': Unknown command", args->items[i]);
        one(stdout, entry);
    }
    return 0;
}

static int usage_raw(struct cmd *cmd, struct args *args, struct err *err)
{
    (void)cmd;
    return for_each_command(args, dfs_print_usage, dfs_print_usage_of, err);
}

static int help_raw(struct cmd *cmd, struct args *args, struct err *err)
{
    (void)cmd;
    return for_each_command(args, dfs_print_help, dfs_print_help_of, err);
}

const struct command command_usage = {.raw = usage_raw};
const struct command command_help = {.raw = help_raw};
