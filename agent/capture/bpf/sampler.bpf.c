/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * Takes a stack sample at each tick of a perf event and counts equal ones in the kernel.
 *
 * The frame pointers of the interrupted thread are walked into this CPU's scratch buffer, and the frames
 * hashed; {process, hash} finds the stack's counter. A stack seen before costs one map lookup and one
 * atomic add. Only a stack's first sample does more: it copies the frames into the map, and asks whether its
 * process is new as well. User space reads the maps once, when the window has ended.
 *
 *   cpus           scratch buffer and counters of each CPU
 *   stacks         {process, hash} -> frames, count; emptied by the agent after each window
 *   processes      process -> samples that are in no stack; having a key here means "announced"; emptied too
 *   new_processes  ring buffer: processes seen first in this window, while they are likely alive
 *   go_programs    the processes whose stacks can be joined at runtime.mcall; written by the agent
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

/* The kernel has the helper bpf_task_pt_regs, of Linux 5.15. */
const volatile __u8 has_task_pt_regs = 0;

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

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, struct pl_go_program);
} go_programs SEC(".maps");

/* Multiply and fold: each bit of a frame reaches the whole hash within two frames. */
static __always_inline __u64 mix(__u64 hash, __u64 value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
  return hash ^ (hash >> 32);
}

static __always_inline __u64 hash_frames(__u64 hash, const __u64* frames, __u32 count, __u32 limit) {
  for (__u32 i = 0; i < limit; i++) {
    if (i >= count) break;
    hash = mix(hash, frames[i]);
  }
  return hash;
}

/* The registers that a walk starts from. */
struct user_position {
  __u64 ip;
  __u64 fp;
  __u64 sp; /* only for the innermost frame */
};

#define FRAME_BYTES 16 /* the caller's frame pointer, and the address to return to: x86-64, arm64 */
#define CHUNK_BYTES 256
#define CHUNK_WORDS (CHUNK_BYTES / 8)

#define G_SCHED 56 /* runtime.g up to sched is the same in Go 1.18 to 1.26 */
#define CALL_BYTES 5

/* runtime.gobuf, runtime/runtime2.go */
struct gobuf {
  __u64 sp;
  __u64 pc;
  __u64 g;
  __u64 ctxt;
  __u64 words[3]; /* ret and lr, or lr alone; then bp */
};

/* The instruction before `return_address` is "call runtime.mcall". */
static __always_inline int is_call_of_mcall(const struct pl_go_program* go, __u64 return_address) {
  struct {
    __u8 opcode;
    __s32 distance;
  } __attribute__((packed)) call;
  if (bpf_probe_read_user(&call, sizeof(call), (const void*)(return_address - CALL_BYTES)) != 0) return 0;
  return call.opcode == 0xe8 && return_address + call.distance == go->mcall_start;
}

/* runtime.mcall (runtime/asm_amd64.s) saves its caller in g.sched, goes over to the stack of g0, pushes g and
 * calls a function, whose return address so lies right below g. The function that was called last has its
 * frame at `fp`. Says where the goroutine was when it called mcall, if it has not run since: gogo clears
 * sched.sp. What was saved otherwise, for a new goroutine or a system call, is no call of mcall. */
static __always_inline int find_caller_of_mcall(const struct pl_go_program* go, __u64 fp,
                                                struct user_position* caller) {
  __u64 g = 0;
  if (bpf_probe_read_user(&g, sizeof(g), (const void*)(fp + FRAME_BYTES)) != 0) return 0;
  struct gobuf sched;
  if (bpf_probe_read_user(&sched, sizeof(sched), (const void*)(g + G_SCHED)) != 0) return 0;
  if (sched.g != g || sched.sp == 0) return 0;
  if (!is_call_of_mcall(go, sched.pc)) return 0;
  caller->ip = sched.pc;
  caller->fp = go->gobuf_bp == 40 ? sched.words[1] : sched.words[2];
  return 1;
}

/* The same for a thread that is in runtime.mcall itself, and still on the goroutine's stack: before its frame
 * is set up, when the return address is on the top of the stack or behind the saved frame pointer, or after
 * it. */
static __always_inline int find_caller_in_mcall(const struct pl_go_program* go, struct user_position at,
                                                struct user_position* caller) {
  __u64 top[2];
  if (bpf_probe_read_user(top, sizeof(top), (const void*)at.sp) != 0) return 0;
  caller->fp = at.fp;
  caller->ip = top[0];
  if (is_call_of_mcall(go, top[0])) return 1;
  caller->ip = top[1];
  if (is_call_of_mcall(go, top[1])) return 1;
  if (bpf_probe_read_user(top, sizeof(top), (const void*)at.fp) != 0) return 0;
  caller->fp = top[0];
  caller->ip = top[1];
  return is_call_of_mcall(go, top[1]);
}

/* Adds the frames from `fp` on to the stack in this CPU's scratch buffer. Returns the `fp` of a frame that
 * returns into runtime.mcall, where it ends; else 0. Global, so that the verifier looks at it once and by
 * itself.
 *
 * Like the kernel's own walk (arch/x86/events/core.c, perf_callchain_user) it ends at the first frame that
 * cannot be read. Most of the price is in calls, and here one call reads several frames at once. What is read
 * besides the frames stays on this program's stack. */
__noinline __u64 walk_frames(__u64 fp) {
  const __u32 only = 0;
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &only);
  if (!cpu) return 0; /* The verifier asks; an array's elements are always there. */
  struct pl_stack* stack = &cpu->scratch;
  const __u64 mcall_start = cpu->walk.mcall_start;
  const __u64 mcall_bytes = cpu->walk.mcall_bytes;
  __u64 hash = cpu->walk.hash;
  __u32 count = stack->n_user;
  __u64 chunk[CHUNK_WORDS];
  __u64 chunk_start = 0;
  __u64 chunk_bytes = 0;
  __u64 in_mcall = 0;
  for (__u32 i = 0; i < PL_MAX_USER_FRAMES; i++) {
    /* Or the compiler would keep a pointer to the next frame, whose bounds the verifier does not see. */
    asm volatile("" : "+r"(count));
    if (count >= PL_MAX_USER_FRAMES || fp == 0 || fp % sizeof(__u64) != 0) break;
    __u64 offset = fp - chunk_start;
    if (chunk_bytes < FRAME_BYTES || offset > chunk_bytes - FRAME_BYTES) {
      chunk_start = fp;
      offset = 0;
      chunk_bytes = CHUNK_BYTES;
      if (bpf_probe_read_user(chunk, CHUNK_BYTES, (const void*)fp) != 0) {
        /* Near the end of the stack's memory. */
        chunk_bytes = FRAME_BYTES;
        if (bpf_probe_read_user(chunk, FRAME_BYTES, (const void*)fp) != 0) break;
      }
    }
    const __u32 word = (offset / sizeof(__u64)) & (CHUNK_WORDS - 1);
    if (word > CHUNK_WORDS - 2) break; /* The verifier asks. */
    const __u64 return_address = chunk[word + 1];
    if (return_address == 0) break;
    stack->frames[count] = return_address;
    count++;
    hash = mix(hash, return_address);
    if (return_address - mcall_start < mcall_bytes) {
      in_mcall = fp;
      break;
    }
    if (chunk[word] == fp) break;
    fp = chunk[word];
  }
  stack->n_user = count;
  cpu->walk.hash = hash;
  return in_mcall;
}

static __always_inline void add_frame(struct pl_cpu* cpu, __u64 ip) {
  const __u32 count = cpu->scratch.n_user;
  if (count >= PL_MAX_USER_FRAMES) return;
  cpu->scratch.frames[count] = ip;
  cpu->scratch.n_user = count + 1;
  cpu->walk.hash = mix(cpu->walk.hash, ip);
}

/* What bpf_get_stack(BPF_F_USER_STACK) does, at a third of its cost, into this CPU's scratch buffer. At a
 * call from runtime.mcall it goes on with the goroutine, or ends: what the frame pointer has there, before
 * Go 1.25, is of a stack that may have changed since. `go` is null for other programs. Returns the hash of
 * the frames. */
static __always_inline __u64 walk_user_stack(struct user_position from, const struct pl_go_program* go,
                                             struct pl_cpu* cpu) {
  cpu->walk.hash = 0;
  cpu->walk.mcall_start = go ? go->mcall_start : 0;
  cpu->walk.mcall_bytes = go ? go->mcall_bytes : 0;
  add_frame(cpu, from.ip);
  struct user_position caller = {.fp = from.fp};
  if (from.ip - cpu->walk.mcall_start < cpu->walk.mcall_bytes) {
    if (!go || !find_caller_in_mcall(go, from, &caller)) return cpu->walk.hash;
    cpu->scratch.joined = 1;
    add_frame(cpu, caller.ip);
  }
  const __u64 in_mcall = walk_frames(caller.fp);
  if (in_mcall != 0 && go && find_caller_of_mcall(go, in_mcall, &caller)) {
    cpu->scratch.joined = 1;
    add_frame(cpu, caller.ip);
    walk_frames(caller.fp);
  }
  return cpu->walk.hash;
}

/* Code segments, arch/x86/include/asm/segment.h. */
#define USER_CS 0x33
#define USER32_CS 0x23

enum user_stack { NO_USER_STACK, WALK_HERE, WALK_BY_KERNEL };

/* Where the thread is, or was when it entered the kernel. The kernel walks for 32-bit programs, and where it
 * does not say where its threads came from. */
static __always_inline enum user_stack find_user_position(struct bpf_perf_event_data* ctx, int in_kernel,
                                                          struct user_position* position) {
  /* Before any branch, and each as one word: the verifier takes no other access to the context. */
  position->ip = *(const volatile __u64*)&PT_REGS_IP(&ctx->regs);
  position->fp = *(const volatile __u64*)&PT_REGS_FP(&ctx->regs);
  position->sp = *(const volatile __u64*)&PT_REGS_SP(&ctx->regs);
#ifdef __TARGET_ARCH_x86
  __u16 cs = *(const volatile __u64*)&ctx->regs.cs;
  if (in_kernel) {
    if (!has_task_pt_regs) return WALK_BY_KERNEL;
    const struct pt_regs* regs = (const struct pt_regs*)bpf_task_pt_regs(bpf_get_current_task_btf());
    cs = *(const volatile __u16*)&regs->cs;
    position->ip = PT_REGS_IP(regs);
    position->fp = PT_REGS_FP(regs);
    position->sp = PT_REGS_SP(regs);
  }
  if (cs == USER_CS) return WALK_HERE;
  return cs == USER32_CS ? WALK_BY_KERNEL : NO_USER_STACK; /* That of a kernel thread is 0. */
#else
  return in_kernel ? WALK_BY_KERNEL : WALK_HERE;
#endif
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
  stack->joined = 0;
  /* The kernel has the upper half of the addresses. */
  const int in_kernel = (__s64)PT_REGS_IP(&ctx->regs) < 0;
  struct user_position position;
  const enum user_stack user_stack = find_user_position(ctx, in_kernel, &position);
  if (user_stack == WALK_HERE) {
    key.hash = walk_user_stack(position, bpf_map_lookup_elem(&go_programs, &key.tgid), cpu);
  } else if (user_stack == WALK_BY_KERNEL) {
    /* Fails for kernel threads and for processes that have given up their memory: they have no user stack. */
    const long bytes =
        bpf_get_stack(ctx, stack->frames, PL_MAX_USER_FRAMES * sizeof(__u64), BPF_F_USER_STACK);
    if (bytes > 0) stack->n_user = (__u32)bytes / sizeof(__u64);
    key.hash = hash_frames(0, stack->frames, stack->n_user, PL_MAX_USER_FRAMES);
  }
  if (in_kernel && !without_kernel_frames) {
    const long bytes =
        bpf_get_stack(ctx, stack->frames + PL_FIRST_KERNEL_FRAME, PL_MAX_KERNEL_FRAMES * sizeof(__u64), 0);
    if (bytes > 0) stack->n_kernel = (__u32)bytes / sizeof(__u64);
    key.hash = hash_frames(mix(key.hash, stack->n_kernel), stack->frames + PL_FIRST_KERNEL_FRAME,
                           stack->n_kernel, PL_MAX_KERNEL_FRAMES);
  }
  if (stack->n_user + stack->n_kernel == 0) {
    add_stackless(counters, process_entry(counters, key.tgid), -E2BIG);
    return;
  }

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
  const __u32 only = 0;
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &only);
  if (!cpu) return 0; /* The verifier asks; an array's elements are always there. */
  struct pl_counters* counters = &cpu->counters;
  const int timed = counters->runs++ % PL_RUNS_PER_TIMED_RUN == 0;
  const __u64 began = timed ? bpf_ktime_get_ns() : 0;
  take_sample(ctx, cpu);
  if (timed) {
    counters->timed_ns += bpf_ktime_get_ns() - began;
    counters->timed_runs++;
  }
  return 0;
}
