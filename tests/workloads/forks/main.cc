// Forks starts processes that end at once, one after the other, without end. Prints `ready pid=PID` first.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main() {
  std::printf("ready pid=%d\n", getpid());
  std::fflush(stdout);
  char program[] = "/bin/true";
  char* const arguments[] = {program, nullptr};
  for (;;) {
    pid_t pid = 0;
    if (posix_spawn(&pid, program, nullptr, nullptr, arguments, environ) != 0) std::exit(1);
    waitpid(pid, nullptr, 0);
  }
}
