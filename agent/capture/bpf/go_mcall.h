/* Joins a stack that ends in runtime.mcall to the goroutine that called it. amd64, Go 1.18 to 1.26. */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_GO_MCALL_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_GO_MCALL_H_

#include "abi.h"
#include "user_position.h"

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

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_GO_MCALL_H_ */
