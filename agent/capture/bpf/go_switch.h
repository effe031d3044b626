/* Joins a stack that went over to that of g0 to the goroutine that it left. amd64, Go 1.18 to 1.26:
 * runtime.mcall, morestack, and systemstack as it was up to Go 1.20, in runtime/asm_amd64.s. */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_GO_SWITCH_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_GO_SWITCH_H_

#include "cpus.h"
#include "user_position.h"

/* runtime.g: stack is first; up to sched it is the same in Go 1.18 to 1.26. */
#define G_M 48
#define G_SCHED 56
#define CALL_BYTES 5

/* runtime.gobuf, runtime/runtime2.go */
struct gobuf {
  __u64 sp;
  __u64 pc;
  __u64 g;
  __u64 ctxt;
  __u64 words[3]; /* ret and lr, or lr alone; then bp */
};

static __always_inline __u64 gobuf_bp(const struct pl_go_program* go, const struct gobuf* sched) {
  return go->gobuf_bp == 40 ? sched->words[1] : sched->words[2];
}

static __always_inline int is_in(struct pl_go_function function, __u32 offset) {
  return offset - function.start < function.bytes;
}

/* Whether `offset`, within `switches_bytes`, is in one of the functions. Global, so that the verifier does
 * not follow its branches for each frame. */
__noinline int is_switch(__u32 offset, __u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return 0; /* The verifier asks. */
  const struct pl_go_program* go = &cpu->process.go;
  return is_in(go->mcall, offset) || is_in(go->morestack, offset) || is_in(go->systemstack, offset);
}

/* The walk by frame pointers ends at a frame that returns to `address`. */
static __always_inline int returns_to_switch(const struct pl_cpu* cpu, __u32 cpu_number, __u64 address) {
  const __u64 offset = address - cpu->process.go.start;
  return offset < cpu->process.go.switches_bytes && is_switch(offset, cpu_number);
}

/* The instruction before `return_address` is a call of `function`. */
static __always_inline int is_call_of(const struct pl_go_program* go, struct pl_go_function function,
                                      __u64 return_address) {
  struct {
    __u8 opcode;
    __s32 distance;
  } __attribute__((packed)) call;
  if (bpf_probe_read_user(&call, sizeof(call), (const void*)(return_address - CALL_BYTES)) != 0) return 0;
  if (call.opcode != 0xe8) return 0;
  const __u64 offset = return_address + call.distance - go->start;
  return offset < go->switches_bytes && is_in(function, offset);
}

/* Where goroutine `g` was when it was left, and that it has not run since: gogo clears sched.sp. */
static __always_inline int read_sched(__u64 g, struct gobuf* sched) {
  return bpf_probe_read_user(sched, sizeof(*sched), (const void*)(g + G_SCHED)) == 0 && sched->g == g &&
         sched->sp != 0;
}

/* The goroutine whose thread is on g0, which R14 holds in all of the compiler's code. */
static __always_inline int read_left_goroutine(const struct pl_go_program* go, __u64 g0, __u64* g,
                                               struct gobuf* sched) {
  __u64 m = 0;
  __u64 g0_of_m = 0;
  return bpf_probe_read_user(&m, sizeof(m), (const void*)(g0 + G_M)) == 0 &&
         bpf_probe_read_user(&g0_of_m, sizeof(g0_of_m), (const void*)m) == 0 && g0_of_m == g0 &&
         bpf_probe_read_user(g, sizeof(*g), (const void*)(m + go->m_curg)) == 0 && read_sched(*g, sched);
}

/* mcall saves its caller in g.sched, goes over to the stack of g0, pushes g and calls a function, whose
 * return address so lies right below g. The function that was called last has its frame at `fp`. What was
 * saved otherwise, for a new goroutine or a system call, is no call of mcall. */
static __always_inline int find_caller_of_mcall(const struct pl_go_program* go, __u64 fp,
                                                struct user_position* caller) {
  __u64 g = 0;
  struct gobuf sched;
  if (bpf_probe_read_user(&g, sizeof(g), (const void*)(fp + FRAME_BYTES)) != 0) return 0;
  if (!read_sched(g, &sched) || !is_call_of(go, go->mcall, sched.pc)) return 0;
  caller->ip = sched.pc;
  caller->fp = gobuf_bp(go, &sched);
  return 1;
}

/* morestack saves in g.sched the function that called it first thing, which has only its return address on
 * the stack, and the frame pointer of that one's caller. */
static __always_inline int find_caller_of_morestack(const struct pl_go_program* go, __u64 g0,
                                                    struct pl_cpu* cpu, struct user_position* caller) {
  __u64 g;
  struct gobuf sched;
  __u64 return_address;
  if (!read_left_goroutine(go, g0, &g, &sched) || !is_call_of(go, go->morestack, sched.pc)) return 0;
  if (bpf_probe_read_user(&return_address, sizeof(return_address), (const void*)sched.sp) != 0) return 0;
  add_frame(cpu, sched.pc);
  caller->ip = return_address;
  caller->fp = gobuf_bp(go, &sched);
  return 1;
}

/* Up to Go 1.20 systemstack has no frame of its own, so frame pointers lead past its caller, whose own frame
 * is the next one, at `caller->fp`. */
static __always_inline int find_caller_of_systemstack(const struct pl_go_program* go, __u64 g0,
                                                      struct user_position* caller) {
  __u64 g;
  struct gobuf sched;
  if (!read_left_goroutine(go, g0, &g, &sched)) return 0;
  if (bpf_probe_read_user(&caller->ip, sizeof(caller->ip), (const void*)sched.sp) != 0) return 0;
  return is_call_of(go, go->systemstack, caller->ip);
}

/* The same for a function that systemstack calls, at its begin or end: `top`, which is on the top of the
 * stack, is of systemstack, and the frame pointer is still that of systemstack's caller. What it calls first
 * is on the stack of its caller. */
static __always_inline int find_caller_of_top(struct pl_cpu* cpu, struct user_position at, __u64 top,
                                              struct user_position* caller) {
  const struct pl_go_program* go = &cpu->process.go;
  const __u32 offset = top - go->start;
  if (!is_in(go->systemstack, offset)) return 0;
  __u64 below;
  if (bpf_probe_read_user(&below, sizeof(below), (const void*)(at.sp + sizeof(top))) != 0) return 0;
  if (is_call_of(go, go->systemstack, below)) {
    caller->ip = below;
    return 1;
  }
  __u64 g;
  struct gobuf sched;
  if (!read_left_goroutine(go, at.g, &g, &sched) || gobuf_bp(go, &sched) != at.fp) return 0;
  struct user_position found = at;
  if (!find_caller_of_systemstack(go, at.g, &found)) return 0;
  caller->ip = found.ip;
  return 1;
}

/* For a walk that ended in one of the three, at the frame at `fp`. */
static __always_inline int find_caller_of_switch(struct pl_cpu* cpu, __u64 g0, __u64 fp,
                                                 struct user_position* caller) {
  const struct pl_go_program* go = &cpu->process.go;
  __u64 frame[2]; /* the caller's frame pointer, and where the function that was called returns to */
  if (bpf_probe_read_user(frame, sizeof(frame), (const void*)fp) != 0) return 0;
  const __u32 offset = frame[1] - go->start;
  if (is_in(go->mcall, offset)) return find_caller_of_mcall(go, fp, caller);
  if (is_in(go->morestack, offset)) return find_caller_of_morestack(go, g0, cpu, caller);
  caller->fp = frame[0];
  return find_caller_of_systemstack(go, g0, caller);
}

/* The same for a thread that is in one of them itself, and still on the goroutine's stack. Its frame may not
 * be set up: the return address is on the top of the stack, or behind the saved frame pointer. */
static __always_inline int find_caller_in_switch(struct pl_cpu* cpu, struct user_position at,
                                                 struct user_position* caller) {
  const struct pl_go_program* go = &cpu->process.go;
  const __u32 offset = at.ip - go->start;
  __u64 top[2];
  if (bpf_probe_read_user(top, sizeof(top), (const void*)at.sp) != 0) return 0;
  caller->fp = at.fp;
  if (is_in(go->morestack, offset)) {
    if (!is_call_of(go, go->morestack, top[0])) return 0;
    add_frame(cpu, top[0]);
    caller->ip = top[1];
    return 1;
  }
  const struct pl_go_function function = is_in(go->mcall, offset) ? go->mcall : go->systemstack;
  caller->ip = top[0];
  if (is_call_of(go, function, top[0])) return 1;
  caller->fp = top[0];
  caller->ip = top[1];
  if (is_call_of(go, function, top[1])) return 1;
  if (bpf_probe_read_user(top, sizeof(top), (const void*)at.fp) != 0) return 0;
  caller->fp = top[0];
  caller->ip = top[1];
  return is_call_of(go, function, top[1]);
}

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_GO_SWITCH_H_ */
