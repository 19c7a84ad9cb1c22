#include "services/session_store/session_store_service.h"

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <utility>

#include "common/concurrency/spawn.h"
#include "common/status/error.h"
#include "common/status/macros.h"
#include "common/status/page_size.h"
#include "common/time/timestamp.h"

namespace gateway::session_store {
namespace {

constexpr size_t kMaxNameBytes = 256;
constexpr size_t kMaxAnswerIdBytes = 1024;

bool IsControl(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool IsPrintableAscii(char c) { return c >= 0x20 && c <= 0x7e; }

// Names that others made: any text without control characters.
absl::Status CheckText(absl::string_view param, const std::string& text,
                       size_t max_bytes) {
  if (text.size() > max_bytes ||
      std::any_of(text.begin(), text.end(), IsControl)) {
    return InvalidParameter(
        param, absl::StrCat(param, " is at most ", max_bytes,
                            " bytes of text without control characters"));
  }
  return absl::OkStatus();
}

absl::Status CheckContext(const common::v1::CallContext& context) {
  RETURN_IF_ERROR(
      CheckText("tenant", context.account().tenant(), kMaxNameBytes));
  RETURN_IF_ERROR(CheckText("user", context.account().user(), kMaxNameBytes));
  return CheckText("request_id", context.request_id(), kMaxNameBytes);
}

absl::Status CheckSessionId(const std::string& session_id) {
  if (session_id.empty() || session_id.size() > kMaxNameBytes ||
      !std::all_of(session_id.begin(), session_id.end(), IsPrintableAscii)) {
    return InvalidParameter("session_id",
                            absl::StrCat("a session id is 1 to ", kMaxNameBytes,
                                         " characters of printable ASCII"));
  }
  return absl::OkStatus();
}

template <class Request>
absl::Status CheckSession(const Request& request) {
  RETURN_IF_ERROR(CheckContext(request.context()));
  return CheckSessionId(request.session_id());
}

absl::Status CheckNotNegative(absl::string_view param, int64_t value) {
  if (value >= 0) return absl::OkStatus();
  return InvalidParameter(param, absl::StrCat(param, " is 0 or more"));
}

// A token is what the last page ended with, made opaque.
std::string MakePageToken(absl::string_view last) {
  return absl::WebSafeBase64Escape(last);
}

absl::StatusOr<std::string> ReadPageToken(const std::string& token) {
  std::string last;
  if (!token.empty() &&
      (!absl::WebSafeBase64Unescape(token, &last) || last.empty())) {
    return InvalidParameter("page_token", "the page token is not one");
  }
  return last;
}

Owner OwnerOf(const common::v1::CallContext& context) {
  return {context.account().tenant(), context.account().user()};
}

template <class Request>
SessionName NameOf(const Request& request) {
  return {OwnerOf(request.context()), request.session_id()};
}

v1::Session ToMessage(const Owner& owner, const SessionView& view) {
  const SessionRecord& record = view.record;
  v1::Session session;
  session.set_session_id(view.session_id);
  session.set_user(owner.user);
  SetTimestamp(record.create_time, *session.mutable_create_time());
  SetTimestamp(record.last_use_time, *session.mutable_last_use_time());
  SetTimestamp(record.expire_time, *session.mutable_expire_time());
  session.set_turn_count(record.head_depth);
  if (record.head != 0) {
    session.set_head_turn_id(MakeTurnId(record.life, record.head));
  }
  session.set_stored_bytes(record.stored_bytes);
  return session;
}

void MoveTo(TurnRecord& turn, v1::TurnInfo* info) {
  *info->mutable_turn() = std::move(turn.turn);
  SetTimestamp(turn.commit_time, *info->mutable_commit_time());
  info->set_answer_id(turn.answer_id);
  info->set_target(turn.target);
}

// BeginTurnResponse and ReadContextResponse share these.
template <class Response>
void MoveTo(Context& context, Response& response) {
  response.mutable_turns()->Reserve(static_cast<int>(context.turns.size()));
  for (auto& turn : context.turns) *response.add_turns() = std::move(turn);
  response.set_omitted_turns(context.omitted_turns);
  response.set_system_text(std::move(context.system_text));
  response.set_last_target(std::move(context.last_target));
}

absl::Status Check(const v1::BeginTurnRequest& request) {
  RETURN_IF_ERROR(CheckContext(request.context()));
  switch (request.parent_case()) {
    case v1::BeginTurnRequest::kSessionId:
      RETURN_IF_ERROR(CheckSessionId(request.session_id()));
      break;
    case v1::BeginTurnRequest::kPreviousAnswerId:
      if (request.previous_answer_id().empty()) {
        return MissingParameter("previous_response_id");
      }
      RETURN_IF_ERROR(CheckText("previous_response_id",
                                request.previous_answer_id(),
                                kMaxAnswerIdBytes));
      break;
    case v1::BeginTurnRequest::PARENT_NOT_SET:
      return MissingParameter("session_id");
  }
  RETURN_IF_ERROR(
      CheckNotNegative("expected_turn_count", request.expected_turn_count()));
  return CheckNotNegative("max_context_bytes", request.max_context_bytes());
}

absl::Status Check(const v1::CommitTurnRequest& request) {
  RETURN_IF_ERROR(CheckSession(request));
  if (!request.has_turn()) return MissingParameter("turn");
  return CheckText("answer_id", request.turn().answer_id(), kMaxAnswerIdBytes);
}

absl::Status Check(const v1::CreateSessionRequest& request) {
  RETURN_IF_ERROR(CheckContext(request.context()));
  if (request.session_id().empty()) return absl::OkStatus();
  return CheckSessionId(request.session_id());
}

absl::Status Check(const v1::RenewLeaseRequest& request) {
  RETURN_IF_ERROR(CheckSession(request));
  if (request.lease_id().empty()) return MissingParameter("lease_id");
  return absl::OkStatus();
}

BeginTurnParams ParamsOf(const v1::BeginTurnRequest& request) {
  BeginTurnParams params;
  params.owner = OwnerOf(request.context());
  params.request_id = request.context().request_id();
  if (request.has_previous_answer_id()) {
    params.previous_answer_id = request.previous_answer_id();
  } else {
    params.session_id = request.session_id();
  }
  params.create_if_absent = request.create_if_absent();
  if (request.has_expected_turn_count()) {
    params.expected_turn_count = request.expected_turn_count();
  }
  params.max_context_bytes = request.max_context_bytes();
  return params;
}

CommitTurnParams ParamsOf(const v1::CommitTurnRequest& request) {
  CommitTurnParams params;
  params.session = NameOf(request);
  params.request_id = request.context().request_id();
  params.lease_id = request.lease_id();
  params.expected_head_turn_id = request.expected_head_turn_id();
  params.turn = request.turn();
  return params;
}

}  // namespace

template <class Work>
Awaitable<std::invoke_result_t<Work&>> SessionStoreService::Run(
    Operation operation, const rpc::Call& call, absl::Status invalid,
    Work work) {
  const absl::Time begin = clock_->Now();
  if (!invalid.ok()) {
    metrics_->Ended(operation, invalid, absl::ZeroDuration());
    co_return invalid;
  }
  auto in_time = [&]() -> std::invoke_result_t<Work&> {
    if (call.Expired(clock_->Now())) return DeadlineExceeded().Build();
    return work();
  };
  auto result = co_await executor_->Run(std::move(in_time));
  metrics_->Ended(operation, result.status(), clock_->Now() - begin);
  co_return result;
}

Awaitable<absl::StatusOr<v1::Session>> SessionStoreService::CreateSession(
    rpc::Call& call, const v1::CreateSessionRequest& request) {
  return Run(Operation::kCreateSession, call, Check(request),
             [this, &request]() -> absl::StatusOr<v1::Session> {
               const Owner owner = OwnerOf(request.context());
               ASSIGN_OR_RETURN(
                   const SessionView view,
                   tree_->CreateSession(owner, request.session_id()));
               return ToMessage(owner, view);
             });
}

Awaitable<absl::StatusOr<v1::Session>> SessionStoreService::GetSession(
    rpc::Call& call, const v1::GetSessionRequest& request) {
  return Run(Operation::kGetSession, call, CheckSession(request),
             [this, &request]() -> absl::StatusOr<v1::Session> {
               ASSIGN_OR_RETURN(const SessionView view,
                                tree_->GetSession(NameOf(request)));
               return ToMessage(OwnerOf(request.context()), view);
             });
}

Awaitable<absl::StatusOr<v1::ListSessionsResponse>>
SessionStoreService::ListSessions(rpc::Call& call,
                                  const v1::ListSessionsRequest& request) {
  return Run(
      Operation::kListSessions, call, CheckContext(request.context()),
      [this, &request]() -> absl::StatusOr<v1::ListSessionsResponse> {
        const Owner owner = OwnerOf(request.context());
        ASSIGN_OR_RETURN(const size_t size, PageSize(request.page_size()));
        ASSIGN_OR_RETURN(const std::string after,
                         ReadPageToken(request.page_token()));
        // One more, to know whether there is one.
        ASSIGN_OR_RETURN(std::vector<SessionView> views,
                         tree_->ListSessions(owner, after, size + 1));
        v1::ListSessionsResponse response;
        if (views.size() > size) {
          views.pop_back();
          response.set_next_page_token(MakePageToken(views.back().session_id));
        }
        for (const SessionView& view : views) {
          *response.add_sessions() = ToMessage(owner, view);
        }
        return response;
      });
}

Awaitable<absl::StatusOr<v1::ListTurnsResponse>> SessionStoreService::ListTurns(
    rpc::Call& call, const v1::ListTurnsRequest& request) {
  return Run(
      Operation::kListTurns, call, CheckSession(request),
      [this, &request]() -> absl::StatusOr<v1::ListTurnsResponse> {
        ASSIGN_OR_RETURN(const size_t size, PageSize(request.page_size()));
        ASSIGN_OR_RETURN(const std::string after,
                         ReadPageToken(request.page_token()));
        ASSIGN_OR_RETURN(std::vector<TurnRecord> turns,
                         tree_->ListTurns(NameOf(request), after, size + 1));
        v1::ListTurnsResponse response;
        if (turns.size() > size) {
          turns.pop_back();
          response.set_next_page_token(
              MakePageToken(turns.back().turn.turn_id()));
        }
        for (TurnRecord& turn : turns) MoveTo(turn, response.add_turns());
        return response;
      });
}

Awaitable<absl::StatusOr<v1::DeleteSessionResponse>>
SessionStoreService::DeleteSession(rpc::Call& call,
                                   const v1::DeleteSessionRequest& request) {
  return Run(Operation::kDeleteSession, call, CheckSession(request),
             [this, &request]() -> absl::StatusOr<v1::DeleteSessionResponse> {
               RETURN_IF_ERROR(tree_->DeleteSession(NameOf(request)));
               return v1::DeleteSessionResponse();
             });
}

Awaitable<absl::StatusOr<v1::BeginTurnResponse>> SessionStoreService::BeginTurn(
    rpc::Call& call, const v1::BeginTurnRequest& request) {
  auto work = [this, &request]() -> absl::StatusOr<v1::BeginTurnResponse> {
    ASSIGN_OR_RETURN(BegunTurn begun, tree_->BeginTurn(ParamsOf(request)));
    v1::BeginTurnResponse response;
    response.set_session_id(std::move(begun.session_id));
    response.set_lease_id(std::move(begun.lease_id));
    response.mutable_lease_timeout()->set_seconds(
        absl::ToInt64Seconds(tree_->options().lease_timeout));
    response.set_head_turn_id(begun.context.last_turn_id);
    response.set_turn_count(begun.context.turn_count);
    MoveTo(begun.context, response);
    return response;
  };
  auto flow = Run(Operation::kBeginTurn, call, Check(request), std::move(work));
  absl::StatusOr<v1::BeginTurnResponse> begun = co_await std::move(flow);
  const bool cancelled = co_await IsCancelled();
  const bool left = cancelled || call.Expired(clock_->Now());
  if (left && begun.ok() && !begun->lease_id().empty()) {
    const SessionName name{OwnerOf(request.context()), begun->session_id()};
    const std::string lease_id = begun->lease_id();
    // If there is no room for it, the lease runs out by itself.
    executor_->TryPost([tree = tree_, name, lease_id] {
      (void)tree->AbandonTurn(name, lease_id);
    });
  }
  co_return begun;
}

Awaitable<absl::StatusOr<v1::RenewLeaseResponse>>
SessionStoreService::RenewLease(rpc::Call& call,
                                const v1::RenewLeaseRequest& request) {
  return Run(
      Operation::kRenewLease, call, Check(request),
      [this, &request]() -> absl::StatusOr<v1::RenewLeaseResponse> {
        RETURN_IF_ERROR(tree_->RenewLease(NameOf(request), request.lease_id()));
        return v1::RenewLeaseResponse();
      });
}

Awaitable<absl::StatusOr<v1::CommitTurnResponse>>
SessionStoreService::CommitTurn(rpc::Call& call,
                                const v1::CommitTurnRequest& request) {
  return Run(Operation::kCommitTurn, call, Check(request),
             [this, &request]() -> absl::StatusOr<v1::CommitTurnResponse> {
               ASSIGN_OR_RETURN(CommittedTurn committed,
                                tree_->CommitTurn(ParamsOf(request)));
               v1::CommitTurnResponse response;
               response.set_turn_id(std::move(committed.turn_id));
               response.set_turn_count(committed.turn_count);
               return response;
             });
}

Awaitable<absl::StatusOr<v1::AbandonTurnResponse>>
SessionStoreService::AbandonTurn(rpc::Call& call,
                                 const v1::AbandonTurnRequest& request) {
  return Run(Operation::kAbandonTurn, call, CheckSession(request),
             [this, &request]() -> absl::StatusOr<v1::AbandonTurnResponse> {
               RETURN_IF_ERROR(
                   tree_->AbandonTurn(NameOf(request), request.lease_id()));
               return v1::AbandonTurnResponse();
             });
}

Awaitable<absl::StatusOr<v1::ReadContextResponse>>
SessionStoreService::ReadContext(rpc::Call& call,
                                 const v1::ReadContextRequest& request) {
  absl::Status invalid = CheckSession(request);
  if (invalid.ok()) {
    invalid =
        CheckNotNegative("max_context_bytes", request.max_context_bytes());
  }
  return Run(
      Operation::kReadContext, call, std::move(invalid),
      [this, &request]() -> absl::StatusOr<v1::ReadContextResponse> {
        ASSIGN_OR_RETURN(
            Context context,
            tree_->ReadContext(NameOf(request), request.max_context_bytes()));
        v1::ReadContextResponse response;
        MoveTo(context, response);
        return response;
      });
}

}  // namespace gateway::session_store
