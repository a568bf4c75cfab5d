#include "tests/sim/sim.h"

#include <ucontext.h>

/* ---- events: a heap by time, then by age ---- */

struct event {
    int64_t at_ms;
    uint64_t number;
    sim_event *fn;
    void *arg;
    uint64_t token;
};

static struct event *heap;
static size_t heap_count, heap_capacity;
static uint64_t numbers;

static bool before(const struct event *a, const struct event *b)
{
    return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->number < b->number);
}

static void swap(size_t a, size_t b)
{
    struct event event = heap[a];

    heap[a] = heap[b];
    heap[b] = event;
}

void sim_at(int64_t delay_ms, sim_event *fn, void *arg, uint64_t token)
{
    GROW(heap, heap_capacity, heap_count + 1);
    heap[heap_count] = (struct event){sim.now_ms + delay_ms, numbers++, fn, arg, token};
    for (size_t i = heap_count++; i && before(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(i, (i - 1) / 2);
}

static struct event take(void)
{
    struct event first = heap[0];
    size_t at = 0, child;

    heap[0] = heap[--heap_count];
    while ((child = 2 * at + 1) < heap_count) {
        if (child + 1 < heap_count && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &heap[at])) break;
        swap(child, at);
        at = child;
    }
    return first;
}

bool sim_run(int64_t until_ms, bool (*until)(void))
{
    while (heap_count && heap[0].at_ms <= until_ms) {
        struct event event = take();
        sim.now_ms = event.at_ms;
        event.fn(event.arg, event.token);
        if (until && until()) return true;
    }
    if (!until) sim.now_ms = until_ms;
    return false;
}

void sim_events_drop(void)
{
    mem_free(heap);
    heap = NULL;
    heap_count = heap_capacity = 0;
}

/* ---- actors: coroutines, which are used again ---- */

enum { STACK = 256 << 10 };

struct actor {
    ucontext_t context;
    char *stack;
    actor_body *body;
    void *arg;
    struct arena arena;
    uint64_t wait, serial;
    bool ended;
    struct actor *next_free;
};

static ucontext_t main_context;
static struct actor *current, *free_actors;
static uint64_t serials;

static void resume(struct actor *actor)
{
    sim_require(!current, "an actor resumes another");
    current = actor;
    swapcontext(&main_context, &actor->context);
    current = NULL;
    if (!actor->ended) return;
    actor->wait++;
    actor->serial = 0;
    arena_clear(&actor->arena);
    actor->next_free = free_actors;
    free_actors = actor;
}

static void run(void)
{
    for (;;) {
        struct actor *actor = current;
        actor->body(actor, actor->arg);
        actor->ended = true;
        swapcontext(&actor->context, &main_context);
    }
}

static void on_wake(void *arg, uint64_t token)
{
    struct actor *actor = arg;

    if (actor->wait == token && !actor->ended) resume(actor);
}

static struct actor *new_actor(void)
{
    struct actor *actor = NEW(struct actor);

    actor->stack = mem_alloc(STACK);
    getcontext(&actor->context);
    actor->context.uc_stack.ss_sp = actor->stack;
    actor->context.uc_stack.ss_size = STACK;
    actor->context.uc_link = NULL;
    makecontext(&actor->context, run, 0);
    return actor;
}

struct actor *actor_start(actor_body *body, void *arg)
{
    struct actor *actor = free_actors ? free_actors : new_actor();

    if (actor == free_actors) free_actors = actor->next_free;
    actor->body = body;
    actor->arg = arg;
    actor->ended = false;
    actor->serial = ++serials;
    sim_at(0, on_wake, actor, ++actor->wait);
    return actor;
}

void actor_sleep(struct actor *actor, int64_t ms)
{
    sim_require(current == actor, "an actor sleeps that does not run");
    sim_at(ms, on_wake, actor, ++actor->wait);
    swapcontext(&actor->context, &main_context);
}

void actor_wake(struct actor *actor)
{
    if (actor != current) sim_at(0, on_wake, actor, actor->wait);
}

struct arena *actor_arena(struct actor *actor)
{
    return &actor->arena;
}

uint64_t actor_serial(const struct actor *actor)
{
    return actor->serial;
}
