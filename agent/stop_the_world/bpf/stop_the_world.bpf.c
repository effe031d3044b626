/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Times how long a Go program's garbage collector takes to stop the world and how long it keeps it stopped,
 * by probes at the entries of functions (runtime/proc.go, mgc.go) and at one call. There is one stop at a
 * time in a process: the runtime holds worldsema. A stop in which the collector did nothing was for something
 * else, and is not counted. The runtime's own clock is CLOCK_MONOTONIC, as ours. */
/* clang-format off */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
/* clang-format on */

#include "../../capture/bpf/pid_namespace.h"
#include "stop_the_world_abi.h"

char LICENSE[] SEC("license") = "GPL";

__u64 hits = 0;

struct world {
  __u64 stops;
  __u64 stopped; /* 0: not yet */
  __u64 started; /* 0: the runtime did not say */
};

/* Arguments of startTheWorldWithSema(now int64, w worldStop) by Go's ABIInternal. */
#ifdef __TARGET_ARCH_x86
#define ARGUMENT_NOW(ctx) (ctx)->rax
#define ARGUMENT_REASON(ctx) ((ctx)->rbx & 0xff)
#define ARGUMENT_STARTED_STOPPING(ctx) (ctx)->rcx
#define ARGUMENT_FINISHED_STOPPING(ctx) (ctx)->rdi
#else
#define ARGUMENT_NOW(ctx) 0
#define ARGUMENT_REASON(ctx) 0
#define ARGUMENT_STARTED_STOPPING(ctx) 0
#define ARGUMENT_FINISHED_STOPPING(ctx) 0
#endif
/* runtime.stwReason */
#define STW_GC_MARK_TERM 1
#define STW_GC_SWEEP_TERM 2

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, struct world);
} worlds SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, struct pl_stop_the_world);
} pauses SEC(".maps");

static const __u64 bounds[] = PL_PAUSE_BOUNDS;
static const struct pl_stop_the_world none;

static __always_inline void add(struct pl_pauses* to, __u64 ns) {
  __u32 bucket = 0;
#pragma unroll
  for (__u32 i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) bucket += ns > bounds[i];
  __sync_fetch_and_add(&to->ns, ns);
  __sync_fetch_and_add(&to->counts[bucket & (PL_PAUSE_BUCKETS - 1)], 1);
}

static __always_inline void count_pause(__u32 tgid, const struct world* world) {
  const __u64 started = world->started ? world->started : bpf_ktime_get_ns();
  if (world->stops == 0 || world->stopped < world->stops || started < world->stopped) return;
  struct pl_stop_the_world* pause = bpf_map_lookup_elem(&pauses, &tgid);
  if (!pause) {
    bpf_map_update_elem(&pauses, &tgid, &none, BPF_NOEXIST);
    pause = bpf_map_lookup_elem(&pauses, &tgid);
    if (!pause) return;
  }
  add(&pause->stopping, world->stopped - world->stops);
  add(&pause->stopped, started - world->stopped);
}

SEC("kprobe")
int on_probe(struct pt_regs* ctx) {
  __sync_fetch_and_add(&hits, 1);
  const __s64 own = current_tgid();
  if (own < 0) return 0;
  const __u32 tgid = own;
  const __u64 place = bpf_get_attach_cookie(ctx);
  struct world fresh = {};
  if (place == PL_WORLD_STOPS) {
    fresh.stops = bpf_ktime_get_ns();
    bpf_map_update_elem(&worlds, &tgid, &fresh, BPF_ANY);
    return 0;
  }
  if (place == PL_WORLD_STARTS) {
    const __u64 reason = ARGUMENT_REASON(ctx);
    if (reason != STW_GC_MARK_TERM && reason != STW_GC_SWEEP_TERM) return 0;
    fresh.stops = ARGUMENT_STARTED_STOPPING(ctx);
    fresh.stopped = ARGUMENT_FINISHED_STOPPING(ctx);
    fresh.started = ARGUMENT_NOW(ctx);
    bpf_map_update_elem(&worlds, &tgid, &fresh, BPF_ANY);
    return 0;
  }
  struct world* world = bpf_map_lookup_elem(&worlds, &tgid);
  if (place == PL_WORLD_STOPPED) {
    if (!world) {
      fresh.stopped = bpf_ktime_get_ns();
      bpf_map_update_elem(&worlds, &tgid, &fresh, BPF_ANY);
    } else if (world->stopped == 0) {
      world->stopped = bpf_ktime_get_ns();
    }
    return 0;
  }
  if (!world) return 0;
  if (place == PL_WORLD_STARTS_SINCE) {
    world->stops = ARGUMENT_STARTED_STOPPING(ctx);
    world->started = ARGUMENT_NOW(ctx);
  } else {
    count_pause(tgid, world);
    bpf_map_delete_elem(&worlds, &tgid);
  }
  return 0;
}
