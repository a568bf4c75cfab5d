#include "common/program.h"

#include "common/mem.h"

static int set_pair(struct conf *conf, const char *pair, struct err *err)
{
    const char *equals = strchr(pair, '=');

    if (!equals || equals == pair)
        return err_set(err, ERR_ARGUMENT, "-D %s: it takes key=value", pair);
    char *key = mem_strndup(pair, (size_t)(equals - pair));
    int rc = conf_set(conf, key, equals + 1, err);
    mem_free(key);
    return rc;
}

/* Where the value of --config is; 0 for nowhere. */
static int config_option(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i++)
        if (str_eq(argv[i], "--config")) return i + 1;
    return 0;
}

int program_conf(int argc, char **argv, struct conf **conf, struct err *err)
{
    int dir = config_option(argc, argv), at = 1, rc;

    *conf = conf_new();
    rc = dir ? conf_load_dir(*conf, argv[dir], err) : conf_load_env(*conf, err);
    while (!rc && at < argc) {
        const char *word = argv[at];
        bool has_value = at + 1 < argc;
        if (str_starts(word, "-D") && word[2]) {
            rc = set_pair(*conf, word + 2, err);
            at++;
        } else if (!str_eq(word, "-D") && !str_eq(word, "-conf") && !str_eq(word, "-fs") &&
                   !str_eq(word, "--config")) {
            break;
        } else if (!has_value) {
            rc = err_set(err, ERR_ARGUMENT, "%s needs a value", word);
        } else {
            if (str_eq(word, "-D")) rc = set_pair(*conf, argv[at + 1], err);
            if (str_eq(word, "-conf")) rc = conf_load_file(*conf, argv[at + 1], err);
            if (str_eq(word, "-fs")) rc = conf_set(*conf, "fs.defaultFS", argv[at + 1], err);
            at += 2;
        }
    }
    return rc ? rc : at;
}
