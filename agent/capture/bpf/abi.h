/* What crosses the kernel: sampler.bpf.c and the agent's ebpf source share it. Plain C, also valid C++.
 * "BPF" and "agent" say who writes a field. */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_ABI_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_ABI_H_

#include <linux/types.h>

#ifdef __cplusplus
#define PL_STATIC_ASSERT static_assert
#else
#define PL_STATIC_ASSERT _Static_assert
#endif

/* The kernel's default limit of a call chain, kernel.perf_event_max_stack; user stacks use all of it. */
#define PL_MAX_USER_FRAMES 127
/* Deepest seen with file systems over block devices: about 50. 63 makes pl_stack 1536 bytes. */
#define PL_MAX_KERNEL_FRAMES 63
/* User frames first, at a fixed place, so that the verifier sees constant bounds. */
#define PL_FIRST_KERNEL_FRAME PL_MAX_USER_FRAMES
#define PL_MAX_FRAMES (PL_MAX_USER_FRAMES + PL_MAX_KERNEL_FRAMES)

/* Key of the map `stacks`. */
struct pl_stack_key {
  __u64 hash;    /* BPF: of all frames and their numbers */
  __u32 tgid;    /* BPF: as the agent's pid namespace has it */
  __u32 padding; /* BPF: 0 */
};
PL_STATIC_ASSERT(sizeof(struct pl_stack_key) == 16, "part of the kernel ABI");

/* Value of the map `stacks`. Frames past the numbers are garbage. */
struct pl_stack {
  __u64 count;    /* BPF: samples with this stack */
  __u32 n_user;   /* BPF: at most PL_MAX_USER_FRAMES */
  __u16 n_kernel; /* BPF: at most PL_MAX_KERNEL_FRAMES */
  __u16 joined;   /* BPF: 1 when the frames beyond runtime.mcall are of the goroutine that called it */
  __u64 frames[PL_MAX_FRAMES]; /* BPF: leaf first; kernel frames from PL_FIRST_KERNEL_FRAME on */
};
PL_STATIC_ASSERT(sizeof(struct pl_stack) == 1536, "part of the kernel ABI");

/* Reading the clock twice costs as much as the walk of ten frames. */
#define PL_RUNS_PER_TIMED_RUN 8

/* Value of the map `go_programs`, by process: where a Go program of amd64 keeps what joins a stack below
 * runtime.mcall to its goroutine. */
struct pl_go_program {
  __u64 mcall_start; /* agent: address of runtime.mcall in the process */
  __u32 mcall_bytes; /* agent */
  __u32 gobuf_bp;    /* agent: offset of bp in runtime.gobuf, 40 since Go 1.25, 48 before */
};
PL_STATIC_ASSERT(sizeof(struct pl_go_program) == 16, "part of the kernel ABI");

/* One per CPU, only ever growing; the agent takes differences. Each way out of the program has its own. */
struct pl_counters {
  __u64 runs;            /* BPF: every sample taken */
  __u64 timed_runs;      /* BPF: the first of each PL_RUNS_PER_TIMED_RUN */
  __u64 timed_ns;        /* BPF: time spent in those */
  __u64 counted;         /* BPF: went into `stacks` */
  __u64 stackless;       /* BPF: went into `processes`: no stack, or no room for it */
  __u64 idle;            /* BPF: skipped, the idle task */
  __u64 not_watched;     /* BPF: skipped by the filter */
  __u64 other_namespace; /* BPF: skipped, its pid means nothing to the agent */
  __u64 lost_map_full;   /* BPF: neither map had room */
  __u64 lost_map_busy;   /* BPF: a map refused for another reason */
  __u64 unannounced;     /* BPF: processes that found no room in `new_processes` */
};
PL_STATIC_ASSERT(sizeof(struct pl_counters) == 88, "part of the kernel ABI");

struct pl_walk {
  __u64 hash;        /* of the frames so far */
  __u64 mcall_start; /* of the program, or 0 */
  __u64 mcall_bytes;
};

/* The only element of the per-CPU map `cpus`. */
struct pl_cpu {
  struct pl_counters counters;
  struct pl_stack scratch; /* BPF: the sample at hand */
  struct pl_walk walk;     /* BPF: the walk of its user stack */
};
PL_STATIC_ASSERT(sizeof(struct pl_cpu) == 88 + 1536 + 24, "part of the kernel ABI");

/* Record of the ring buffer `new_processes`. */
struct pl_new_process {
  __u32 tgid;    /* BPF */
  char comm[16]; /* BPF: of the process, with a NUL; empty when another thread than its first was sampled */
};
PL_STATIC_ASSERT(sizeof(struct pl_new_process) == 20, "part of the kernel ABI");

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_ABI_H_ */
