#include "tests/load/questions.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace pilotlight::load {
namespace {

absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

}  // namespace

absl::Status Questions::FlameGraph(const std::string& selector, absl::Duration span) {
  v1::FlameGraphRequest request;
  Select(selector, span, *request.mutable_selection());
  v1::FlameGraphResponse response;
  grpc::ClientContext context;
  const grpc::Status status = client_.stub().FlameGraph(&context, request, &response);
  samples_ = response.quality().samples();
  return FromGrpc(status);
}

absl::Status Questions::CpuSeries(absl::Duration span, absl::Duration step) {
  v1::SeriesRequest request;
  Select("{}", span, *request.mutable_selection());
  request.set_step_ns(absl::ToInt64Nanoseconds(step));
  request.add_group_by(std::string(kServiceLabel));
  v1::SeriesResponse response;
  grpc::ClientContext context;
  return FromGrpc(client_.stub().Series(&context, request, &response));
}

void Questions::Select(const std::string& selector, absl::Duration span, v1::Selection& selection) const {
  selection.set_selector(selector);
  selection.set_start_unix_ns(absl::ToUnixNanos(end_ - span));
  selection.set_end_unix_ns(absl::ToUnixNanos(end_));
}

SteadyQuestions::SteadyQuestions(int port, absl::Time end, int per_second) : start_(absl::Now()) {
  // Those that wait for a slow answer must not hold up the others.
  constexpr int kThreads = 10;
  for (int i = 0; i < kThreads; ++i) {
    threads_.emplace_back([this, port, end, i, per_second] { Ask(port, end, i, kThreads, per_second); });
  }
}

SteadyQuestions::~SteadyQuestions() { Stop(); }

SteadyQuestions::Answers SteadyQuestions::Stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  const MutexLock lock(mutex_);
  return answers_;
}

void SteadyQuestions::Ask(int port, absl::Time end, int first, int step, int per_second) {
  Questions questions(port, end);
  for (int number = first;; number += step) {
    const absl::Time due = start_ + absl::Seconds(number) / per_second;
    while (!stopping_ && absl::Now() < due) {
      absl::SleepFor(std::min(due - absl::Now(), absl::Milliseconds(100)));
    }
    if (stopping_) return;
    const std::string service = absl::StrCat("{service=\"service-", number % 100, "\"}");
    absl::Status status;
    switch (number % 5) {
      case 0:
      case 1:
        status = questions.FlameGraph(service, absl::Minutes(15));
        break;
      case 2:
        status = questions.FlameGraph(service, absl::Hours(1));
        break;
      case 3:
        status = questions.FlameGraph("{}", absl::Hours(1));
        break;
      default:
        status = questions.CpuSeries(absl::Hours(1), absl::Minutes(1));
    }
    const MutexLock lock(mutex_);
    answers_.times.push_back(absl::Now() - due);
    answers_.status.Update(status);
  }
}

}  // namespace pilotlight::load
