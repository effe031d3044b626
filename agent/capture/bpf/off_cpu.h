/* Samples the time that threads are blocked, each at every `off_cpu_period_ns` of it in the mean. Part of
 * sampler.bpf.c, which says what becomes of a stack; Linux 5.15.
 *
 * A thread that gives up its CPU to wait is marked with the time. When it comes back, the time that has gone
 * by says how many samples it gets: d / period, rounded up or down at random so that the mean is exact.
 * Nearly all switches end here. Of one that gets any, the stack is wanted, at the place where it waited. But
 * this program runs before the switch is made, while the memory at hand is still that of the thread before.
 * So it leaves a note and asks for an interrupt, which comes as soon as the switch is made, before the thread
 * goes on; a second program runs there and walks the stack. What can ask for an interrupt is a ring buffer
 * that is to wake its reader up: each CPU has one, in which nothing is ever left.
 *
 *   blocked      marks, by thread; when there are too many threads, those not seen for the longest time lose
 *                theirs. Not in the threads' own storage, which would be allocated under the scheduler's
 * lock: before Linux 6.3 that may wake up a thread kicks        ring buffers, by CPU; made by the agent */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_OFF_CPU_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_OFF_CPU_H_

#include <bpf/bpf_core_read.h>

/* Written by the agent before a window. */
__u64 off_cpu_period_ns = 0; /* below 2^32; 0 takes no samples */
__u64 off_cpu_since_ns = 0;  /* marks from before are not believed: nobody saw what came after them */

/* What is used of the kernel's. */
struct task_struct {
  int pid;
  int tgid;
  unsigned int flags;
  unsigned int __state;
  unsigned int in_iowait : 1;
} __attribute__((preserve_access_index));

#define KERNEL_THREAD 0x00200000 /* PF_KTHREAD, linux/sched.h */
#define UNINTERRUPTIBLE 0x2      /* TASK_UNINTERRUPTIBLE */
#define DEAD 0x80                /* TASK_DEAD; another thread may get its number */

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 32768);
  __type(key, __u32);
  __type(value, struct pl_blocked);
} blocked SEC(".maps");

/* Those of the agent have one page. */
struct kick_ring {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 64 * 1024); /* the largest page */
};

/* The agent sets its size. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 1);
  __type(key, __u32);
  __array(values, struct kick_ring);
} kicks SEC(".maps");

/* Has the second program run on this CPU when the switch is made. */
static __always_inline int kick(__u32 cpu_number) {
  void* ring = bpf_map_lookup_elem(&kicks, &cpu_number);
  if (!ring) return 0;
  void* nothing = bpf_ringbuf_reserve(ring, sizeof(__u64), 0);
  if (!nothing) return 0;
  bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
  return 1;
}

static __always_inline void keep(struct task_struct* thread, const struct pl_blocked* mark, __u32 samples,
                                 __u64 now, struct pl_cpu* cpu, __u32 cpu_number) {
  struct pl_off_cpu_counters* counters = &cpu->off_cpu_counters;
  struct pl_back* back = &cpu->back;
  /* A process of another namespace has another number there; the second program will see to it. */
  if (only_watched && pid_namespace_inode == 0) {
    const __u32 tgid = thread->tgid;
    if (!bpf_map_lookup_elem(&watched, &tgid)) {
      cpu->counters.not_watched += samples;
      return;
    }
  }
  if (back->slice != now >> PL_SLICE_SHIFT) {
    back->slice = now >> PL_SLICE_SHIFT;
    back->kept = 0;
  }
  if (back->kept >= PL_KEPT_IN_SLICE) {
    counters->above_ceiling += samples;
    return;
  }
  back->kept++;
  counters->kept++;
  counters->missed += back->samples; /* Of a thread before, if its interrupt has not come. */
  back->samples = samples;
  back->pid = thread->pid;
  back->wait = mark->wait;
  back->kernel_frames = 0;
  if (!without_kernel_frames) {
    const long bytes = bpf_get_task_stack(thread, back->frames, sizeof(back->frames), 0);
    if (bytes > 0) back->kernel_frames = (__u32)bytes / sizeof(__u64);
  }
  if (kick(cpu_number)) return;
  back->samples = 0;
  counters->missed += samples;
}

static __always_inline void mark_blocked(struct task_struct* thread, __u32 state, __u64 now) {
  const __u32 pid = thread->pid;
  const struct pl_blocked new_mark = {
      .since = now, .wait = PL_WAIT_BLOCKED | (state & UNINTERRUPTIBLE ? PL_WAIT_UNINTERRUPTIBLE : 0)};
  struct pl_blocked* mark = bpf_map_lookup_elem(&blocked, &pid);
  if (mark) {
    *mark = new_mark;
  } else {
    bpf_map_update_elem(&blocked, &pid, &new_mark, BPF_ANY);
  }
}

/* Nanoseconds that switching took beyond its usual time are returned. */
static __always_inline __u64 come_back(struct task_struct* thread, __u64 now, struct pl_cpu* cpu,
                                       __u32 cpu_number) {
  const __u32 pid = thread->pid;
  struct pl_blocked* mark = bpf_map_lookup_elem(&blocked, &pid);
  if (!mark || mark->since == 0) return 0;
  const __u64 since = mark->since;
  mark->since = 0;
  if (since < off_cpu_since_ns) return 0;
  const __u64 period = off_cpu_period_ns;
  /* As if the samples had begun at any time within the period before. */
  const __u64 time = now - since + ((bpf_get_prandom_u32() * period) >> 32);
  if (time < period || period == 0) return 0;
  keep(thread, mark, time / period, now, cpu, cpu_number);
  return bpf_ktime_get_ns() - now;
}

SEC("tp_btf/sched_switch")
int see_switch(const __u64* arguments) {
  const int preempted = arguments[0] & 1;
  struct task_struct* from = (struct task_struct*)arguments[1];
  struct task_struct* to = (struct task_struct*)arguments[2];
  const __u32 cpu_number = bpf_get_smp_processor_id();
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return 0; /* The verifier asks. */
  struct pl_off_cpu_counters* counters = &cpu->off_cpu_counters;
  const __u64 now = bpf_ktime_get_ns();
  const int timed = counters->switches++ % PL_SWITCHES_PER_TIMED_SWITCH == 0;
  __u64 kept_ns = 0;
  /* The idle task is a kernel thread too. One that is preempted, or yields, does not wait. */
  const __u32 state = from->__state;
  if (!preempted && state != 0 && !(state & DEAD) && !(from->flags & KERNEL_THREAD))
    mark_blocked(from, state, now);
  if (!(to->flags & KERNEL_THREAD)) kept_ns = come_back(to, now, cpu, cpu_number);
  if (kept_ns != 0) {
    counters->kept_ns += kept_ns;
  } else if (timed) {
    counters->timed_ns += bpf_ktime_get_ns() - now;
    counters->timed_switches++;
  }
  return 0;
}

/* Where the current thread entered the kernel, and by which system call. */
static __always_inline enum user_stack find_entry(struct user_position* position, __u32* wait) {
  const struct pt_regs* regs = (const struct pt_regs*)bpf_task_pt_regs(bpf_get_current_task_btf());
  position->fp = PT_REGS_FP(regs);
  position->sp = PT_REGS_SP(regs);
  position->g = 0;
#ifdef __TARGET_ARCH_x86
  position->lr = 0;
  const __s64 call = find_system_call(regs, position);
  if (call >= 0) *wait |= (call + 1) & PL_WAIT_CALL;
  const __u16 cs = *(const volatile __u16*)&regs->cs;
  if (cs == USER_CS) return WALK_HERE;
  return cs == USER32_CS ? WALK_BY_KERNEL : NO_USER_STACK;
#else
  position->ip = PT_REGS_IP(regs);
  position->lr = PT_REGS_RET(regs);
  const __u64 call = ((const struct user_pt_regs*)regs)->regs[8];
  *wait |= (call + 1) & PL_WAIT_CALL;
  return WALK_HERE;
#endif
}

/* The thread's stacks into cpu->scratch; as walk_stacks() in sampler.bpf.c. What lies beyond a change of a
 * Go program to g0 is of a goroutine that waits elsewhere, if at all: it is the thread's wait that is shown.
 */
static __always_inline __u64 walk_blocked(void* ctx, struct pl_cpu* cpu, __u32 cpu_number) {
  struct pl_stack* stack = &cpu->scratch;
  struct pl_back* back = &cpu->back;
  struct user_position position;
  __u32 wait = back->wait;
  cpu->walk.hash = 0;
  cpu->walk.n_user = 0;
  cpu->walk.end = PL_END_UNKNOWN;
  stack->flags = 0;
  const enum user_stack user_stack = find_entry(&position, &wait);
  if (user_stack == WALK_HERE) {
    add_frame(cpu, position.ip);
    add_top(cpu, position);
    walk_callers(cpu, cpu_number, position, /*is_caller=*/0);
  } else if (user_stack == WALK_BY_KERNEL) {
    wait &= ~PL_WAIT_CALL; /* Their system calls have other numbers. */
    const long bytes =
        bpf_get_stack(ctx, stack->frames, PL_MAX_USER_FRAMES * sizeof(__u64), BPF_F_USER_STACK);
    if (bytes > 0) cpu->walk.n_user = (__u32)bytes / sizeof(__u64);
    cpu->walk.hash = hash_scratch(0, 0, cpu->walk.n_user, cpu_number);
  }
  struct task_struct* thread = (struct task_struct*)bpf_get_current_task_btf();
  if (BPF_CORE_READ_BITFIELD(thread, in_iowait)) wait |= PL_WAIT_DISK;
  stack->wait = wait;
  __u64 hash = pl_mix(cpu->walk.hash, wait);
  const __u32 n_user = cpu->walk.n_user;
  stack->n_user = n_user;
  stack->n_kernel = 0;
  stack->end = cpu->walk.end;
  const __u32 n_kernel = back->kernel_frames;
  if (n_user <= PL_MAX_USER_FRAMES && n_kernel <= PL_MAX_KERNEL_FRAMES) {
    stack->n_kernel = n_kernel;
    hash = pl_mix(hash, n_kernel);
    for (__u32 i = 0; i < PL_MAX_KERNEL_FRAMES; i++) {
      if (i >= n_kernel) break;
      hash = pl_mix(hash, back->frames[i]);
    }
    bpf_probe_read_kernel(stack->frames + n_user, n_kernel * sizeof(__u64), back->frames);
  }
  return hash;
}

/* The interrupt that a kick asks for, and others of its kind. */
#ifdef __TARGET_ARCH_x86
SEC("raw_tp/irq_work_entry")
#else
SEC("raw_tp/ipi_entry")
#endif
int look_at_blocked(void* ctx) {
  const __u32 cpu_number = bpf_get_smp_processor_id();
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return 0; /* The verifier asks. */
  struct pl_back* back = &cpu->back;
  const __u32 samples = back->samples;
  if (samples == 0) return 0;
  const __u64 began = bpf_ktime_get_ns();
  back->samples = 0;
  struct pl_counters* counters = &cpu->counters;
  if (back->pid != (__u32)bpf_get_current_pid_tgid()) {
    cpu->off_cpu_counters.missed += samples;
    return 0;
  }
  const __u32 tgid = find_process(counters, samples);
  if (tgid == 0) return 0;
  load_process(cpu, tgid);
  cpu->scratch.count = samples;
  const __u64 hash = walk_blocked(ctx, cpu, cpu_number);
  count_stack(cpu, cpu_number, tgid, hash);
  cpu->off_cpu_counters.kept_ns += bpf_ktime_get_ns() - began;
  return 0;
}

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_OFF_CPU_H_ */
