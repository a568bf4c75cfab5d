#include "namenode/nn_load.h"

#include <pthread.h>

#include "common/log.h"
#include "namenode/ec_policy.h"
#include "namenode/edit_read.h"
#include "namenode/image_load.h"
#include "namenode/nn_upgrade.h"
#include "namenode/rolling_upgrade.h"

/* The checksum of an image, taken while it is loaded. */
struct md5_check {
    const char *path;
    pthread_t thread;
    bool threaded;
    int rc;
    struct err err;
};

static void *md5_main(void *arg)
{
    struct md5_check *check = arg;

    check->rc = image_check_md5(check->path, &check->err);
    return NULL;
}

static void md5_begin(struct md5_check *check, const char *path)
{
    *check = (struct md5_check){.path = path, .err = ERR_INIT};
    check->threaded = pthread_create(&check->thread, NULL, md5_main, check) == 0;
}

static int md5_end(struct md5_check *check, struct err *err)
{
    if (check->threaded)
        pthread_join(check->thread, NULL);
    else
        md5_main(check);
    if (check->rc && err) *err = check->err;
    return check->rc;
}

static int begin_core(struct core *core, struct nn_storage *storage, int64_t now_ms,
                      struct err *err)
{
    int rc = core_init(core, err);

    if (rc) return rc;
    core->identity = storage->identity;
    core->now_ms = now_ms;
    core->replaying = true;
    return 0;
}

/* A wrong checksum counts more than what was read: it says why the reading failed. */
static int try_image(struct core *core, const struct nn_image *image, struct err *err)
{
    struct md5_check check;
    struct err sum_err = ERR_INIT;

    md5_begin(&check, image->path);
    int rc = image_load_file(core, image->path, err);
    int sum_rc = md5_end(&check, &sum_err);
    if (sum_rc) {
        *err = sum_err;
        return sum_rc;
    }
    if (!rc && core->txid_applied != image->txid)
        rc = err_set(err, ERR_CORRUPT, "%s says inside that it is the image of txid %" PRIu64,
                     image->path, core->txid_applied);
    return rc;
}

/* What another image would not change. */
static bool is_final(int rc)
{
    return rc == ERR_UNSUPPORTED || rc == ERR_INCORRECT_VERSION;
}

/* The newest image that is whole. The core is initialised when this returns, whatever happened. */
static int load_image(struct core *core, struct nn_storage *storage, int64_t now_ms,
                      struct err *err)
{
    struct nn_images images;
    unsigned kinds = storage->start == NN_ROLLING_ROLLBACK ? NN_IMAGE_ROLLBACK
                                                           : NN_IMAGE_PLAIN | NN_IMAGE_ROLLBACK;
    int rc = nn_storage_images_of(storage, kinds, &images, err);

    if (!rc && !images.count) rc = err_set(err, ERR_NOT_FOUND, "No valid image files found");
    for (size_t i = 0; i < images.count; i++) {
        rc = try_image(core, &images.items[i], err);
        if (!rc || is_final(rc)) break;
        log_error("Failed to load image from %s: %s", images.items[i].path, err->text);
        core_release(core);
        int again = begin_core(core, storage, now_ms, err);
        if (again) rc = again;
        if (again) break;
    }
    nn_images_release(&images);
    if (rc && !is_final(rc))
        err_wrap(err, rc, "Failed to load FSImage file, see error(s) above for more info");
    return rc;
}

/* The last step of a finalization that a crash prevented. */
static int settle_rolling(struct core *core, struct nn_storage *storage, struct err *err)
{
    if (!rolling_image_exists(storage)) return 0;
    core->rolling_image = core->rolling_upgrade_start_ms != 0;
    return core->rolling_image ? 0 : rolling_images_rename(storage, err);
}

static int catch_up(struct core *core, struct nn_storage *storage, struct err *err)
{
    if (storage->start != NN_ROLLING_ROLLBACK) return edit_replay(core, storage, err);
    core->rolled_back = true;
    core->rolling_upgrade_start_ms = 0; /* FSNamesystem: a state that was gone back to has none */
    return rolling_rollback(storage, core->txid_applied, err);
}

int nn_load(struct core *core, struct nn_storage *storage, int64_t now_ms, struct err *err)
{
    int rc = begin_core(core, storage, now_ms, err);

    if (rc) return rc;
    rc = edit_recover_unclosed(storage, err);
    if (!rc) rc = load_image(core, storage, now_ms, err);
    if (!rc) rc = ec_policies_enable_default(core->ec_policies, core->conf.ec_policy, err);
    if (!rc) rc = catch_up(core, storage, err);
    if (!rc && storage->start == NN_UPGRADE) rc = nn_upgrade_run(core, storage, err);
    if (!rc) rc = nn_storage_write_version(storage, err);
    if (!rc) rc = settle_rolling(core, storage, err);
    if (rc) return rc;
    core->upgrade_pending = nn_upgrade_pending(storage);
    core->replaying = false;
    lease_renew_all(core->leases, now_ms);
    return 0;
}
