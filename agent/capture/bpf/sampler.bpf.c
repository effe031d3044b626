/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Takes a stack sample at each tick of a perf event and counts equal ones in the kernel.
 *
 * The stack of the interrupted thread is walked into this CPU's scratch stack, by frame pointers or by
 * tables, and the frames hashed; {process, hash} finds its slot in this CPU's table. A stack seen before
 * costs one cache line and an addition. Only a stack's first sample does more: its frames go into the ring
 * buffer, and it asks whether its process is new as well. User space reads the ring buffer when it is half
 * full, when a process is new, and, with the tables, when the window has ended.
 *
 *   cpus         table, counters and scratch stack of each CPU
 *   records      ring buffer: first samples, and processes seen first in this window, while they are likely
 *                alive
 *   processes    process -> samples that are in no stack; having a key here means "announced"; emptied by the
 *                agent after each window
 *   go_programs  the processes whose stacks can be joined where they change to g0; written by the agent
 *   unwound, …   for the walk by tables; see table_walk.h
 *   python_programs  see python_walk.h
 *   jvm_programs     see jvm_walk.h
 *   watched      the processes to sample, when `only_watched` is set; written by the agent
 *
 * Two different stacks of one process with the same 64-bit hash would be counted as one: with 8192 stacks the
 * chance is 2e-12. The interrupt of the software clock is no NMI, and one CPU has one event, so what a CPU
 * has in `cpus` is never in use when the program starts. */
/* libbpf's header wants the kernel's types before it. */
/* clang-format off */
#include <linux/bpf.h>
#include <linux/bpf_perf_event.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
/* clang-format on */

#include "abi.h"
#include "pid_namespace.h"

char LICENSE[] SEC("license") = "GPL";

/* The kernel has the helper bpf_task_pt_regs, of Linux 5.15. */
const volatile __u8 has_task_pt_regs = 0;

/* Of `records`, in bytes: past it the agent is woken. */
const volatile __u64 records_to_wake = 0;

/* Written by the agent before a window. */
__u32 only_watched = 0;
__u32 without_kernel_frames = 0;

/* Another one after each change of `go_programs`, `unwound`, `python_programs` and `jvm_programs`; written by
 * the agent. */
__u32 programs_generation = 0;

#include "cpus.h"
#include "user_walk.h"

/* The agent sets its size. */
struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 256 * 1024);
} records SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, __u64);
} processes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u8);
} watched SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, struct pl_go_program);
} go_programs SEC(".maps");

/* Makes cpu->process that of `tgid`. Samples of one process mostly follow one another. */
static __always_inline void load_process(struct pl_cpu* cpu, __u32 tgid) {
  struct pl_process* process = &cpu->process;
  const __u32 generation = programs_generation;
  if (process->tgid == tgid && process->generation == generation) return;
  const struct pl_go_program* go = bpf_map_lookup_elem(&go_programs, &tgid);
  if (go) {
    process->go = *go;
  } else {
    process->go.switches_bytes = 0;
    process->go.text_bytes = 0;
  }
  const struct pl_unwound* by_tables = bpf_map_lookup_elem(&unwound, &tgid);
  if (by_tables) {
    process->unwound = *by_tables;
  } else {
    process->unwound.count = 0;
  }
  const struct pl_python_program* python = bpf_map_lookup_elem(&python_programs, &tgid);
  if (python) {
    process->python = *python;
  } else {
    process->python.code_instructions = 0;
  }
  const struct pl_jvm_program* jvm = bpf_map_lookup_elem(&jvm_programs, &tgid);
  if (jvm) {
    process->jvm = *jvm;
  } else {
    process->jvm.bytes = 0;
  }
  cpu->walk.mapping.start = 0;
  cpu->walk.mapping.end = 0;
  process->tgid = tgid;
  process->generation = generation;
}

/* Global, so that the verifier looks at it once and by itself: `hash` with `count` frames of the stack of
 * this `cpu_number` from `first` on. */
__noinline __u64 hash_scratch(__u64 hash, __u32 first, __u32 count, __u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return 0; /* The verifier asks. */
  for (__u32 i = 0; i < PL_MAX_USER_FRAMES; i++) {
    if (i >= count) break;
    __u32 at = first + i;
    /* Or the compiler would keep a pointer to the next frame, whose bounds the verifier does not see. */
    asm volatile("" : "+r"(at));
    if (at >= PL_MAX_FRAMES) break; /* The verifier asks. */
    hash = pl_mix(hash, cpu->scratch.frames[at]);
  }
  return hash;
}

/* The samples without a stack of `tgid`; null when there is no room for another process. */
static __always_inline __u64* process_entry(struct pl_counters* counters, __u32 tgid) {
  __u64* stackless = bpf_map_lookup_elem(&processes, &tgid);
  if (stackless) return stackless;
  __u64 none = 0;
  if (bpf_map_update_elem(&processes, &tgid, &none, BPF_NOEXIST) == 0) {
    struct pl_new_process* record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
    if (record) {
      record->kind = PL_KIND_NEW_PROCESS;
      record->tgid = tgid;
      record->comm[0] = '\0';
      /* Other threads often have a name of their own. */
      const __u64 ids = bpf_get_current_pid_tgid();
      if ((__u32)ids == ids >> 32) bpf_get_current_comm(record->comm, sizeof(record->comm));
      bpf_ringbuf_submit(record, BPF_RB_FORCE_WAKEUP);
    } else {
      counters->unannounced++;
    }
  }
  return bpf_map_lookup_elem(&processes, &tgid);
}

/* Samples that `records` had no room for. */
static __always_inline void add_stackless(struct pl_counters* counters, __u64* stackless, __u32 count) {
  if (stackless) {
    __sync_fetch_and_add(stackless, count);
    counters->stackless += count;
  } else {
    counters->lost += count;
  }
}

/* Walks both stacks into cpu->scratch. Returns the hash of the frames and their numbers. */
static __always_inline __u64 walk_stacks(struct bpf_perf_event_data* ctx, struct pl_cpu* cpu,
                                         __u32 cpu_number) {
  struct pl_stack* stack = &cpu->scratch;
  /* The kernel has the upper half of the addresses. */
  const int in_kernel = (__s64)PT_REGS_IP(&ctx->regs) < 0;
  cpu->walk.hash = 0;
  cpu->walk.n_user = 0;
  cpu->walk.end = PL_END_UNKNOWN;
  stack->n_kernel = 0;
  stack->flags = 0;
  struct user_position position;
  const enum user_stack user_stack = find_user_position(ctx, in_kernel, &position);
  if (user_stack == WALK_HERE) {
    walk_user_stack(position, cpu, cpu_number);
  } else if (user_stack == WALK_BY_KERNEL) {
    /* Fails for kernel threads and for processes that have given up their memory: they have no user stack. */
    const long bytes =
        bpf_get_stack(ctx, stack->frames, PL_MAX_USER_FRAMES * sizeof(__u64), BPF_F_USER_STACK);
    if (bytes > 0) cpu->walk.n_user = (__u32)bytes / sizeof(__u64);
    cpu->walk.hash = hash_scratch(0, 0, cpu->walk.n_user, cpu_number);
  }
  __u64 hash = cpu->walk.hash;
  const __u32 n_user = cpu->walk.n_user;
  stack->n_user = n_user;
  stack->end = cpu->walk.end;
  if (in_kernel && !without_kernel_frames && n_user <= PL_MAX_USER_FRAMES) {
    __u64* frames = stack->frames + n_user;
    const long bytes = bpf_get_stack(ctx, frames, PL_MAX_KERNEL_FRAMES * sizeof(__u64), 0);
    if (bytes > 0) {
      stack->n_kernel = (__u32)bytes / sizeof(__u64);
      hash = hash_scratch(pl_mix(hash, stack->n_kernel), n_user, stack->n_kernel, cpu_number);
    }
  }
  return hash;
}

/* The process has code that the agent has not told of: a library that was opened since, most likely. */
static __always_inline int is_first_unmapped(__u32 tgid) {
  struct pl_unwound* by_tables = bpf_map_lookup_elem(&unwound, &tgid);
  if (!by_tables || by_tables->unmapped) return 0;
  by_tables->unmapped = 1;
  return 1;
}

/* Counts cpu->scratch in its slot, and tells the agent of it when it is new. */
static __always_inline void count_stack(struct pl_cpu* cpu, __u32 cpu_number, __u32 tgid, __u64 hash) {
  struct pl_counters* counters = &cpu->counters;
  struct pl_stack* stack = &cpu->scratch;
  const __u32 set = (hash ^ tgid) & (PL_SLOTS - PL_SLOTS_OF_SET);
  struct pl_slot* free = 0;
  stack->slot = PL_NO_SLOT;
#pragma unroll
  for (__u32 i = 0; i < PL_SLOTS_OF_SET; i++) {
    struct pl_slot* slot = &cpu->slots[set + i];
    if (slot->hash == hash && slot->tgid == tgid) {
      slot->repeats += stack->count;
      counters->counted += stack->count;
      return;
    }
    if (slot->tgid == 0) {
      free = slot;
      stack->slot = cpu_number * PL_SLOTS + set + i;
      break;
    }
  }
  stack->kind = PL_KIND_STACK;
  stack->tgid = tgid;
  const __u64 n_frames = (__u64)stack->n_user + stack->n_kernel;
  if (n_frames > PL_MAX_FRAMES) return; /* The verifier asks. */
  const __u64 waiting = bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA);
  const int wake = waiting > records_to_wake || (stack->end == PL_END_UNMAPPED && is_first_unmapped(tgid));
  const long error = bpf_ringbuf_output(&records, stack, PL_STACK_HEADER_BYTES + n_frames * sizeof(__u64),
                                        wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
  __u64* stackless = process_entry(counters, tgid);
  if (error != 0) {
    add_stackless(counters, stackless, stack->count);
    return;
  }
  if (free) {
    free->hash = hash;
    free->tgid = tgid;
  }
  counters->counted += stack->count;
}

/* The process of the current thread, when it is to be sampled; else 0. */
static __always_inline __u32 find_process(struct pl_counters* counters, __u32 count) {
  const __s64 own = current_tgid();
  if (own < 0) {
    counters->other_namespace += count;
    return 0;
  }
  const __u32 tgid = own;
  if (tgid == 0) {
    counters->idle += count;
    return 0;
  }
  if (only_watched && !bpf_map_lookup_elem(&watched, &tgid)) {
    counters->not_watched += count;
    return 0;
  }
  return tgid;
}

static __always_inline void take_sample(struct bpf_perf_event_data* ctx, struct pl_cpu* cpu,
                                        __u32 cpu_number) {
  struct pl_counters* counters = &cpu->counters;
  const __u32 tgid = find_process(counters, /*count=*/1);
  if (tgid == 0) return;
  cpu->scratch.count = 1;
  cpu->scratch.wait = 0;
  load_process(cpu, tgid);
  const __u64 hash = walk_stacks(ctx, cpu, cpu_number);
  if (cpu->scratch.n_user + cpu->scratch.n_kernel == 0) {
    add_stackless(counters, process_entry(counters, tgid), /*count=*/1);
    return;
  }
  count_stack(cpu, cpu_number, tgid, hash);
}

SEC("perf_event")
int take_sample_at_tick(struct bpf_perf_event_data* ctx) {
  const __u32 cpu_number = bpf_get_smp_processor_id();
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return 0; /* The verifier asks: there is an element for each possible CPU. */
  struct pl_counters* counters = &cpu->counters;
  const int timed = counters->runs++ % PL_RUNS_PER_TIMED_RUN == 0;
  const __u64 began = timed ? bpf_ktime_get_ns() : 0;
  take_sample(ctx, cpu, cpu_number);
  if (timed) {
    counters->timed_ns += bpf_ktime_get_ns() - began;
    counters->timed_runs++;
  }
  return 0;
}

#include "off_cpu.h"
