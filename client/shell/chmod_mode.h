/* Modes as `-chmod` takes them: "755", "1777", "u+rwX,go-w,+t" (ChmodParser). Pure; any thread. */
#ifndef CLIENT_SHELL_CHMOD_MODE_H
#define CLIENT_SHELL_CHMOD_MODE_H

#include "common/base.h"

/* What is done to one group of three bits (or to the sticky bit). */
struct chmod_part {
    char type;     /* + - = */
    unsigned bits; /* 4 2 1, and 8 for X */
};

struct chmod_mode {
    struct chmod_part user, group, others, sticky;
};

bool chmod_mode_parse(struct chmod_mode *mode,
                      const char *text) MUST_CHECK; /* false: does not match */
/* The mode of a file that has `existing` now. */
uint32_t chmod_mode_apply(const struct chmod_mode *mode, uint32_t existing, bool directory);

#endif
