/* Takes a stack sample at each tick of a perf event and counts equal ones in the kernel.
 *
 * The kernel walks the frame pointers of the interrupted thread into this CPU's scratch buffer; the frames
 * are hashed; {process, hash} finds the stack's counter. A stack seen before costs one map lookup and one
 * atomic add. Only a stack's first sample does more: it copies the frames into the map, and asks whether its
 * process is new as well. User space reads the maps once, when the window has ended.
 *
 *   cpus           scratch buffer and counters of each CPU
 *   stacks         {process, hash} -> frames, count; emptied by the agent after each window
 *   processes      process -> samples that are in no stack; having a key here means "announced"; emptied too
 *   new_processes  ring buffer: processes seen first in this window, while they are likely alive
 *   watched        the processes to sample, when `only_watched` is set; written by the agent
 *
 * Two different stacks of one process with the same 64-bit hash would be counted as one: with 8192 stacks the
 * chance is 2e-12. The interrupt of the software clock is no NMI, and one CPU has one event, so the scratch
 * buffer is never in use when the program starts. */
/* libbpf's header wants the kernel's types before it. */
/* clang-format off */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
/* clang-format on */

#include "abi.h"

char LICENSE[] SEC("license") = "GPL";

#define EEXIST 17
#define E2BIG 7
#define ENOMEM 12

/* The agent's pid namespace, or 0 when it is the initial one. */
const volatile __u64 pid_namespace_device = 0;
const volatile __u64 pid_namespace_inode = 0;

/* Written by the agent before a window. */
__u32 only_watched = 0;
__u32 without_kernel_frames = 0;

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct pl_cpu);
} cpus SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, struct pl_stack_key);
  __type(value, struct pl_stack);
} stacks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, __u64);
} processes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 64 * 1024);
} new_processes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u8);
} watched SEC(".maps");

/* Multiply and fold: each bit of a frame reaches the whole hash within two frames. */
static __always_inline __u64 mix(__u64 hash, __u64 value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
  return hash ^ (hash >> 32);
}

static __always_inline __u64 hash_frames(const struct pl_stack* stack) {
  __u64 hash = mix(stack->n_user, (__u64)stack->n_kernel << 32);
  for (__u32 i = 0; i < PL_MAX_USER_FRAMES; i++) {
    if (i >= stack->n_user) break;
    hash = mix(hash, stack->frames[i]);
  }
  for (__u32 i = 0; i < PL_MAX_KERNEL_FRAMES; i++) {
    if (i >= stack->n_kernel) break;
    hash = mix(hash, stack->frames[PL_FIRST_KERNEL_FRAME + i]);
  }
  return mix(hash, hash >> 29);
}

/* The samples without a stack of `tgid`; null when there is no room for another process. */
static __always_inline __u64* process_entry(struct pl_counters* counters, __u32 tgid) {
  __u64* stackless = bpf_map_lookup_elem(&processes, &tgid);
  if (stackless) return stackless;
  __u64 none = 0;
  if (bpf_map_update_elem(&processes, &tgid, &none, BPF_NOEXIST) == 0) {
    struct pl_new_process* record = bpf_ringbuf_reserve(&new_processes, sizeof(*record), 0);
    if (record) {
      record->tgid = tgid;
      record->comm[0] = '\0';
      /* Other threads often have a name of their own. */
      const __u64 ids = bpf_get_current_pid_tgid();
      if ((__u32)ids == ids >> 32) bpf_get_current_comm(record->comm, sizeof(record->comm));
      bpf_ringbuf_submit(record, 0);
    } else {
      counters->unannounced++;
    }
  }
  return bpf_map_lookup_elem(&processes, &tgid);
}

static __always_inline void add_stackless(struct pl_counters* counters, __u64* stackless, int error) {
  if (stackless) {
    __sync_fetch_and_add(stackless, 1);
    counters->stackless++;
  } else if (error == -E2BIG || error == -ENOMEM) {
    counters->lost_map_full++;
  } else {
    counters->lost_map_busy++;
  }
}

static __always_inline void take_sample(struct bpf_perf_event_data* ctx, struct pl_cpu* cpu) {
  struct pl_counters* counters = &cpu->counters;
  struct pl_stack_key key = {};
  if (pid_namespace_inode != 0) {
    struct bpf_pidns_info ids;
    if (bpf_get_ns_current_pid_tgid(pid_namespace_device, pid_namespace_inode, &ids, sizeof(ids)) != 0) {
      counters->other_namespace++;
      return;
    }
    key.tgid = ids.tgid;
  } else {
    key.tgid = bpf_get_current_pid_tgid() >> 32;
  }
  if (key.tgid == 0) {
    counters->idle++;
    return;
  }
  if (only_watched && !bpf_map_lookup_elem(&watched, &key.tgid)) {
    counters->not_watched++;
    return;
  }

  struct pl_stack* stack = &cpu->scratch;
  stack->n_user = 0;
  stack->n_kernel = 0;
  /* Fails for kernel threads and for processes that have given up their memory: they have no user stack. */
  long bytes = bpf_get_stack(ctx, stack->frames, PL_MAX_USER_FRAMES * sizeof(__u64), BPF_F_USER_STACK);
  if (bytes > 0) stack->n_user = (__u32)bytes / sizeof(__u64);
  /* The kernel has the upper half of the addresses. Asking for a kernel stack costs 0.3 µs also where there
   * is none. */
  if (!without_kernel_frames && (__s64)PT_REGS_IP(&ctx->regs) < 0) {
    bytes =
        bpf_get_stack(ctx, stack->frames + PL_FIRST_KERNEL_FRAME, PL_MAX_KERNEL_FRAMES * sizeof(__u64), 0);
    if (bytes > 0) stack->n_kernel = (__u32)bytes / sizeof(__u64);
  }
  if (stack->n_user + stack->n_kernel == 0) {
    add_stackless(counters, process_entry(counters, key.tgid), -E2BIG);
    return;
  }

  key.hash = hash_frames(stack);
  struct pl_stack* known = bpf_map_lookup_elem(&stacks, &key);
  if (!known) {
    stack->count = 1;
    const int error = (int)bpf_map_update_elem(&stacks, &key, stack, BPF_NOEXIST);
    __u64* stackless = process_entry(counters, key.tgid);
    if (error == 0) {
      counters->counted++;
      return;
    }
    /* Another CPU may have been quicker. */
    if (error == -EEXIST) known = bpf_map_lookup_elem(&stacks, &key);
    if (!known) {
      add_stackless(counters, stackless, error);
      return;
    }
  }
  __sync_fetch_and_add(&known->count, 1);
  counters->counted++;
}

SEC("perf_event")
int take_sample_at_tick(struct bpf_perf_event_data* ctx) {
  const __u64 began = bpf_ktime_get_ns();
  const __u32 only = 0;
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &only);
  if (!cpu) return 0; /* The verifier asks; an array's elements are always there. */
  cpu->counters.runs++;
  take_sample(ctx, cpu);
  cpu->counters.run_ns += bpf_ktime_get_ns() - began;
  return 0;
}
