/* Where a thread was in user space. */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_USER_POSITION_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_USER_POSITION_H_

/* The registers that a walk starts from. */
struct user_position {
  __u64 ip;
  __u64 fp;
  __u64 sp; /* only for the innermost frame */
  __u64 lr; /* likewise; 0 where a call leaves the return address on the stack */
  __u64 g;  /* what Go keeps the current g in */
};

#define FRAME_BYTES 16 /* the caller's frame pointer, and the address to return to: x86-64, arm64 */

/* Code segments, arch/x86/include/asm/segment.h. */
#define USER_CS 0x33
#define USER32_CS 0x23

#ifdef __TARGET_ARCH_x86
/* The length of `syscall`. The address to return to can be beyond the function: `__restore_rt` of glibc ends
 * with its rt_sigreturn. */
#define SYSTEM_CALL_BYTES 2

/* Of a thread in the kernel: at the system call, which is given, or -1 in an exception or an interrupt. */
static __always_inline __s64 find_system_call(const struct pt_regs* regs, struct user_position* position) {
  const __s64 call = regs->orig_rax;
  position->ip = PT_REGS_IP(regs) - (call >= 0 ? SYSTEM_CALL_BYTES : 0);
  return call;
}
#endif

enum user_stack { NO_USER_STACK, WALK_HERE, WALK_BY_KERNEL };

/* Where the thread is, or was when it entered the kernel. The kernel walks for 32-bit programs, and where it
 * does not say where its threads came from. */
static __always_inline enum user_stack find_user_position(struct bpf_perf_event_data* ctx, int in_kernel,
                                                          struct user_position* position) {
  /* Before any branch, and each as one word: the verifier takes no other access to the context. */
  position->ip = *(const volatile __u64*)&PT_REGS_IP(&ctx->regs);
  position->fp = *(const volatile __u64*)&PT_REGS_FP(&ctx->regs);
  position->sp = *(const volatile __u64*)&PT_REGS_SP(&ctx->regs);
  position->lr = 0;
  position->g = 0;
#ifdef __TARGET_ARCH_x86
  position->g = *(const volatile __u64*)&ctx->regs.r14;
  __u16 cs = *(const volatile __u64*)&ctx->regs.cs;
  if (in_kernel) {
    if (!has_task_pt_regs) return WALK_BY_KERNEL;
    const struct pt_regs* regs = (const struct pt_regs*)bpf_task_pt_regs(bpf_get_current_task_btf());
    cs = *(const volatile __u16*)&regs->cs;
    find_system_call(regs, position);
    position->fp = PT_REGS_FP(regs);
    position->sp = PT_REGS_SP(regs);
    position->g = regs->r14;
  }
  if (cs == USER_CS) return WALK_HERE;
  return cs == USER32_CS ? WALK_BY_KERNEL : NO_USER_STACK; /* That of a kernel thread is 0. */
#else
  position->lr = *(const volatile __u64*)&PT_REGS_RET(&ctx->regs);
  return in_kernel ? WALK_BY_KERNEL : WALK_HERE;
#endif
}

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_USER_POSITION_H_ */
