/* /fsck: the text that `hdfs fsck` prints (FsckServlet). The caller is who it says it is, as everywhere without security. */
#include "namenode/fsck.h"
#include "namenode/web.h"

enum { FSCK_ENTRIES_PER_STEP = 1000 };

struct step {
    struct fsck *fsck;
    struct op *op;
    struct namenode *nn;
    struct buf out;
    bool more;
};

static void run_step(struct core *core, void *arg)
{
    struct step *step = arg;
    const char *const *group;

    step->op->superuser = str_eq(step->op->user, core->conf.superuser);
    for (group = step->op->groups; *group; group++)
        if (str_eq(*group, core->conf.supergroup)) step->op->superuser = true;
    step->more = fsck_step(core, step->fsck, FSCK_ENTRIES_PER_STEP, &step->out);
}

static bool is_given(struct http_request *request, const char *name)
{
    return http_parameter(request, name) != NULL;
}

void web_fsck(void *context, struct http_request *request)
{
    struct namenode *nn = context;
    struct arena arena = {0};
    const char *user = http_parameter(request, "ugi"), *path = http_parameter(request, "path");
    struct fsck_options options = {
        .files = is_given(request, "files"),
        .blocks = is_given(request, "blocks"),
        .locations = is_given(request, "locations"),
        .racks = is_given(request, "racks"),
        .replica_details = is_given(request, "replicadetails"),
        .upgrade_domains = is_given(request, "upgradedomains"),
        .maintenance = is_given(request, "maintenance"),
        .open_for_write = is_given(request, "openforwrite"),
        .list_corrupt = is_given(request, "listcorruptfileblocks"),
        .remove = is_given(request, "delete"),
        .move = is_given(request, "move"),
        .replicate = is_given(request, "replicate"),
        .storage_policies = is_given(request, "storagepolicies"),
        .start_after = http_parameter(request, "startblockafter"),
        .block_ids = http_parameter(request, "blockId"),
    };

    if (str_empty(user)) user = http_parameter(request, "user.name");
    if (str_empty(user)) user = "dr.who"; /* hadoop.http.staticuser.user */
    struct op op = {.user = user,
                    .groups = namenode_groups_of(nn, user, &arena),
                    .client_ip = http_peer(request),
                    .method = "fsck"};
    struct step step = {.op = &op, .nn = nn, .more = true};
    step.fsck = fsck_new(&op, str_empty(path) ? "/" : path, &options);
    if (is_given(request, "showprogress"))
        buf_put_str(&step.out, "The fsck switch -showprogress is deprecated and no longer has any "
                               "effect. Progress is now shown by default.\n");
    bool alive = true;
    while (alive && step.more) alive = namenode_ask(nn, run_step, &step);
    if (alive)
        http_reply(request, 200, "text/plain; charset=utf-8", step.out.data, step.out.length);
    else
        http_reply_text(request, 503, "the namenode is ending\n");
    buf_release(&step.out);
    fsck_free(step.fsck);
    arena_release(&arena);
}
