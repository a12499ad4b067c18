#pragma once
/// Every bound of the program in one place, with unit and reason. A wait, queue or buffer without a line here
/// is a bug.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sallyport::limits {

using namespace std::chrono_literals;
constexpr std::size_t KiB = 1024;
constexpr std::size_t MiB = 1024 * KiB;

// Request heads (threats N14): what browsers and proxies send fits several times over.
constexpr std::size_t kHeadBytes = 32 * KiB;
constexpr std::size_t kHeaderCount = 100;
constexpr std::size_t kTargetBytes = 8 * KiB;
constexpr std::size_t kChunkLineBytes = 256;  ///< chunk size line with extension
constexpr std::size_t kTrailerBytes = 4 * KiB;

// Bodies (bytes).
constexpr std::size_t kMcpBody = 10 * MiB;
constexpr std::size_t kLlmBody = 32 * MiB;
constexpr std::size_t kAdminBody = 16 * MiB;
constexpr std::size_t kUpstreamBody = 32 * MiB;  ///< one upstream response, whole
constexpr std::size_t kSseEvent = 10 * MiB;      ///< one event of an upstream stream (N44)
constexpr std::size_t kBytesInFlight =
    1024 * MiB;  ///< all request and response bodies of the process together, unless a setting says otherwise
constexpr std::size_t kUncounted = 8 * KiB;  ///< of one answer or queue: what buffers hold anyway

// JSON.
constexpr int kJsonDepth = 64;
constexpr std::size_t kIdBytes = 256;  ///< a JSON-RPC string id

// Time.
constexpr auto kHeadDeadline = 10s;   ///< absolute, from the first byte of a head
constexpr auto kIdleKeepAlive = 75s;  ///< between requests
constexpr auto kBodyDeadline = 60s;   ///< absolute, plus a second per kBodyRate bytes announced
constexpr std::size_t kBodyRate = 16 * KiB;
constexpr auto kWriteStall = 30s;    ///< a reader that takes nothing for this long is cut
constexpr auto kCallDeadline = 60s;  ///< default for one upstream call; progress does not extend it
constexpr auto kConnectDeadline = 5s;
constexpr auto kDnsDeadline = 5s;
constexpr int kDialRetries = 2;           ///< of a call whose connection was refused: nothing was sent
constexpr auto kDialRetryPause = 50ms;    ///< before the first, twice that before the second
constexpr auto kDialRetryWithin = 500ms;  ///< a refusal that took longer is not tried again
constexpr int kBreakerFailures = 5;       ///< in a row: more than the connections of one restart, mostly
constexpr auto kBreakerPause = 1s;      ///< from the opening to the first probe; doubles with each failed one
constexpr auto kBreakerPauseMax = 30s;  ///< a server that came back is found out within this
constexpr auto kWatchAfter = 100ms;     ///< calls older than this watch for a client that went away
constexpr auto kSseKeepAlive = 15s;     ///< comment line on a silent stream
constexpr auto kStopGrace = 10s;        ///< SIGTERM: calls in flight may end within this
constexpr auto kFirstList = 2s;         ///< a server never reached may delay the first list by this
constexpr auto kRefresh = 15s;          ///< catalogue refresh where the upstream cannot notify
/// An idle pooled upstream connection. Peers that do not say when they close (Keep-Alive) do so after 60 s as
/// load balancers, or after 5 s as uvicorn; to dial anew costs little without TLS.
constexpr auto kUpstreamIdle = 55s;
constexpr auto kUpstreamIdlePlain = 4s;  ///< without TLS and without Keep-Alive

// Queues (entries unless said otherwise).
constexpr std::size_t kMailbox = 65536;
constexpr std::size_t kSseQueue = 1 * MiB;  ///< bytes waiting for one slow reader, then it is cut
constexpr std::size_t kExecutorQueue = 1024;
constexpr std::size_t kStrangersNames = 8;             ///< that strangers named and that wait to be resolved
constexpr std::size_t kPipelined = 64 * KiB;           ///< bytes read ahead of the request in hand
constexpr std::size_t kConnections = 32768;            ///< accepted sockets; then accepting pauses
constexpr std::size_t kAdminConnections = 256;         ///< the same on each way in for administrators
constexpr std::size_t kDescriptorShare = 4;            ///< one in so many is kept for all that is no client
constexpr std::size_t kUpstreamIdleConnections = 512;  ///< per shard and origin
constexpr std::size_t kUpstreamConnections = 4096;     ///< per shard and origin, busy ones included

// Catalogue.
constexpr int kListPages = 100;  ///< pages of one upstream list, then it is cut and logged
constexpr std::size_t kToolsPerServer = 5000;
constexpr std::size_t kDefinitionBytes = 256 * KiB;
constexpr std::size_t kNameBytes = 256;    ///< a tool or prompt name as the upstream gives it
constexpr std::size_t kExportedName = 64;  ///< narrowest limit among the model APIs
constexpr std::size_t kListPage = 1000;    ///< items of one page to a client

// Expressions in rules.
constexpr std::size_t kExpressionBytes = 8 * KiB;  ///< source text of one expression: several pages
constexpr int kExpressionDepth = 100;              ///< nesting: parser and evaluation recurse that far
/// Steps of one evaluation (a node, an element, 64 bytes read or copied): about 10 ms at the very most, and
/// enough to search the largest body once. Memory is paid in steps too: 16 MiB at most.
constexpr std::uint64_t kExpressionCost = 250000;
constexpr std::size_t kPatternBytes = 1 * KiB;   ///< text of one regular expression
constexpr std::size_t kPatterns = 16;            ///< compiled for one expression
constexpr std::size_t kPatternMemory = 1 * MiB;  ///< of one compiled; a larger one is refused
constexpr std::uint64_t kPatternCost = 10000;    ///< steps for compiling a pattern that is no literal

// Definitions: what is remembered of them and when they are looked at by a person.
constexpr std::size_t kDefinitionText = 16 * KiB;  ///< one text of a definition; models read all of it
constexpr std::size_t kHiddenGap = 200;            ///< white space in a row that pushes text out of sight
constexpr std::size_t kDefinitionsTold = 50;       ///< named in one record, one log line, one problem
constexpr std::size_t kToldName = 256;             ///< bytes of a name in such a record or line
constexpr std::size_t kShownDigits = 12;           ///< hex digits of a definition's hash in tables and logs
constexpr std::size_t kPinDigits = 32;             ///< that name a version: no server finds two with the same
constexpr std::size_t kRejections = 64;  ///< rejected versions of one definition that are remembered
constexpr int kSchemaSteps = 100'000;    ///< of checking one value against one schema
constexpr std::int64_t kReplaySteps = 50'000'000;  ///< of checking all recorded calls of one difference
constexpr std::size_t kRecordedCalls = 100'000;    ///< looked at for one difference, the newest first
constexpr std::size_t kLookBack = 1024 * MiB;  ///< of records, searched for when something was last called
constexpr std::size_t kUndecided = 1'000'000;  ///< recorded calls whose arguments one replay looks for
constexpr std::size_t kLockFile = 16 * MiB;    ///< an mcp.lock that is read

// Tokens.
constexpr std::size_t kToken = 16 * KiB;         ///< a bearer token as text
constexpr std::size_t kTokensKept = 10000;       ///< verified tokens that one shard remembers
constexpr std::size_t kIssuerReply = 512 * KiB;  ///< what an issuer answers: metadata, keys, a verdict
constexpr auto kIssuerDeadline = 5s;             ///< for all requests that one fetch of keys takes
constexpr std::size_t kKeyWaiters = 1024;        ///< requests that wait for the keys of one issuer
constexpr auto kVerdictKept = 60s;               ///< what an issuer said of a token when it was asked
constexpr auto kUnsaidExpiry =
    std::chrono::hours(1);                    ///< of a token whose issuer names none: streams end then
constexpr auto kRefusalKept = 10s;            ///< the same where it said no
constexpr std::size_t kIntrospections = 64;   ///< questions about tokens under way on one shard
constexpr std::size_t kClaimTexts = 1000;     ///< teams, or roles, of one token; what is beyond refuses it
constexpr std::size_t kClaimBytes = 1 * KiB;  ///< a name or value taken from a token
constexpr std::size_t kPrincipals = 2000;     ///< whose rules one shard remembers

// Signing in at the gateway itself.
constexpr auto kAccessLife = 10min;                       ///< of an access token of ours
constexpr auto kGrantLife = std::chrono::hours(30 * 24);  ///< of a grant that no client renews
constexpr auto kGrantShown = std::chrono::hours(24);      ///< one that is over is listed so much longer
constexpr auto kRefreshAgain = 30s;  ///< the refresh token before the newest is still good, for a lost answer
constexpr auto kSigningKeyLife = std::chrono::hours(30 * 24);
constexpr auto kCodeLife = 60s;                      ///< of an authorization code
constexpr auto kSignInKept = std::chrono::hours(1);  ///< a browser that signed in does not have to again
constexpr auto kPageLife = 15min;                    ///< from a page to what is sent by it
constexpr std::size_t kOauthBody = 64 * KiB;         ///< a form, or a client's registration
constexpr std::size_t kOauthClient = 3 * KiB;        ///< a registration as the id that carries it
constexpr std::size_t kRedirects = 10;               ///< redirect URIs of one client
constexpr std::size_t kRedirectBytes = 2 * KiB;      ///< all of them together
constexpr std::size_t kClientName = 100;             ///< bytes
constexpr std::size_t kClientDocument = 64 * KiB;    ///< what a client says of itself at its URL
constexpr std::size_t kClientFetches = 32;           ///< of such documents under way
constexpr std::size_t kClientFetchesOfOne = 3;       ///< the same for one address
constexpr std::size_t kClientsKept = 1000;           ///< such documents that are remembered
constexpr auto kClientKept = 5min;
constexpr std::size_t kProvidersKept = 100;  ///< providers whose endpoints are remembered
constexpr std::size_t kPasswordBytes = 1 * KiB;
constexpr std::size_t kPasswordShortest = 12;  ///< characters
constexpr std::size_t kPasswordChecks = 16;    ///< that wait for their turn: each takes some 50 ms
constexpr int kSignInFailures = 5;             ///< in a row from one place, then there is a pause
constexpr auto kSignInPause = 1s;              ///< the first; each further failure doubles it
constexpr auto kSignInPauseMax = 5min;
constexpr auto kSignInPauseOfName = 10s;  ///< of a name that was failed at from everywhere
constexpr auto kSignInMemory = 15min;     ///< failures are forgotten after this
constexpr std::size_t kIdentityBytes =
    6 * KiB;                                    ///< what a provider says of somebody: it goes into each token
constexpr std::size_t kSignInsWatched = 10000;  ///< names and places whose failures are counted

// Tokens that programs are given: minted, exchanged, by credentials of a client, by an assertion.
constexpr auto kMintedLife = std::chrono::hours(12);  ///< the longest that one can be minted for
constexpr std::size_t kTokenChain = 5;                ///< parents that one token stands on
constexpr std::size_t kTokensOfOne = 1000;            ///< good ones of one principal at a time
constexpr std::size_t kTokenTools = 64;               ///< patterns of tools that one is limited to
constexpr std::size_t kTokenToolBytes = 256;          ///< of one pattern; of all together kTokenToolsBytes
constexpr std::size_t kTokenToolsBytes = 4 * KiB;
constexpr auto kAssertionLife = 5min;            ///< of an assertion, from now to its expiry
constexpr std::size_t kAssertionsOfOne = 20000;  ///< remembered of one issuer, so that none comes twice
constexpr std::size_t kTokenScopes = 32;         ///< of one token of ours

// Model calls.
constexpr std::size_t kKeptStream =
    8 * MiB;  ///< of a streamed answer, for its record; what is longer has none

// Routes of model calls.
constexpr std::size_t kRouteBytes = 64 * KiB;       ///< text of one config
constexpr std::size_t kRouteDepth = 8;              ///< targets within targets
constexpr std::size_t kRouteTargets = 64;           ///< of one config, groups included
constexpr std::size_t kRouteConditions = 64;        ///< of one config
constexpr std::size_t kRouteComparisons = 256;      ///< in the queries of one config
constexpr std::size_t kRouteListed = 256;           ///< entries of one list in a config
constexpr std::size_t kRouteParameters = 16 * KiB;  ///< override_params of one target with what it inherits
constexpr std::size_t kRouteFact = 8 * KiB;         ///< a longer value of a request counts as missing
constexpr std::size_t kRouteBodyMembers = 1000;     ///< a body with more of them has none for conditions
constexpr std::size_t kRouteProblems = 20;          ///< told of one config that is refused
constexpr int kRouteRetries = 5;                    ///< of one target for one request
constexpr auto kRouteRetryWait = 60s;               ///< between all of them together
constexpr auto kRouteTimeout = std::chrono::hours(1);       ///< the longest that a config may ask for
constexpr auto kRouteCooldown = 30s;                        ///< the shortest of a target's circuit breaker
constexpr auto kRouteCooldownMax = std::chrono::hours(24);  ///< and the longest

// Child processes.
constexpr auto kChildStart = 20s;      ///< from spawn to a finished handshake
constexpr std::size_t kChildren = 64;  ///< of one server on one shard, each somebody's own
constexpr auto kChildIdle = 15min;     ///< without a call, then it is stopped
constexpr auto kChildBackoffMin = 500ms;
constexpr auto kChildBackoffMax = 60s;
constexpr auto kChildKillAfter = 2s;  ///< from SIGTERM to SIGKILL of its process group
constexpr std::size_t kChildLine = 32 * MiB;
constexpr auto kChildRoomWait = 10s;
constexpr std::size_t kChildStderrLine = 8 * KiB;

// Sessions.
constexpr auto kSessionLife = std::chrono::hours(24);
constexpr std::size_t kTombstones = 100000;    ///< ended sessions that are remembered at least
constexpr std::size_t kSessionLevels = 20000;  ///< log levels that sessions asked for

// Streams to clients: subscriptions/listen, the GET streams of sessions, and what a lost stream had to say.
constexpr std::size_t kStreams = 24000;       ///< open ones per shard
constexpr std::size_t kStreamsOfOne = 12000;  ///< of one principal per shard: nobody takes all of them
constexpr std::size_t kSubscriptions = 256;   ///< resources that one stream or session subscribes to
constexpr auto kSubscribeDeadline = 5s;  ///< for the upstreams to confirm the subscriptions of one request
constexpr auto kChangeGap = 250ms;       ///< between two announcements that the same list changed
constexpr auto kStreamSweep = 5s;        ///< how late an expired key or session loses its streams
constexpr auto kStreamAway =
    5min;                        ///< a session that nobody reads keeps its stream and subscriptions this long
constexpr auto kLogKept = 2min;  ///< a finished answer waits this long for a client that lost it
constexpr std::size_t kLogEvents = 256;      ///< kept per stream; the newest stays, whatever its size
constexpr std::size_t kLogBytes = 1 * MiB;   ///< the same in bytes
constexpr std::size_t kLogTotal = 64 * MiB;  ///< all kept events of a shard
constexpr std::size_t kLogFinished = 10000;  ///< finished streams kept per shard
/// The same of one principal, who forgets its own before anybody else's is forgotten for it.
constexpr std::size_t kLogOfOne = kLogTotal / 2;
constexpr std::size_t kLogFinishedOfOne = kLogFinished / 4;
/// Bytes of lost streams that are on their way to one principal's clients again, per shard.
constexpr std::size_t kReplayOfOne = 64 * MiB;
constexpr auto kRetryHint = 1s;          ///< after which a client that lost its stream comes back
constexpr std::size_t kUpdates = 10000;  ///< different resources whose change one shard has yet to hear of

// Questions from upstreams to clients (elicitation, sampling, roots).
constexpr auto kQuestionWait = 5min;                ///< a person may have to read and type
constexpr auto kStateLife = std::chrono::hours(1);  ///< of a requestState that keeps nothing open
constexpr int kQuestionRounds = 10;                 ///< of one call, then it ends as failed
constexpr std::size_t kQuestions = 10000;           ///< open ones per shard
constexpr std::size_t kParkedCalls = 10000;  ///< upstream calls per shard that wait for a client's retry
/// Of one principal: whoever leaves all its questions open leaves room for the others'.
constexpr std::size_t kQuestionsOfOne = kQuestions / 4;
constexpr std::size_t kParkedOfOne = kParkedCalls / 4;

// Upstream sessions and streams over HTTP.
constexpr std::size_t kWatchedUri = 2 * KiB;     ///< of a resource that may be subscribed to
constexpr std::size_t kUpstreamSessions = 1024;  ///< of one server on one shard; then resting ones are ended
constexpr auto kUpstreamSessionIdle = 10min;     ///< one that not everybody shares, without a call
constexpr int kUpstreamQuestions = 16;           ///< open ones of one call, and answers on their way
constexpr auto kSideRequest = 10s;  ///< small requests beside calls: an answer, a subscription, a log level
constexpr auto kStreamOpen = 2s;    ///< a first call waits this long for the stream of its new session
constexpr auto kStreamRetry = 1s;   ///< before a lost stream is taken up, where the upstream names no time
constexpr auto kStreamRetryMax = 60s;
constexpr auto kStreamRetryMin = 100ms;  ///< whatever the upstream names
constexpr int kStreamResumes = 8;        ///< attempts in a row to take up the stream of one call
constexpr std::size_t kWatched = 1000;   ///< resources and tasks watched at one upstream session
/// The same for one principal at a session that it shares with others: as many as one stream may have.
constexpr std::size_t kWatchedOfOne = kSubscriptions;

// Translated model calls.
constexpr std::size_t kAnswerBlocks = 4096;  ///< texts, thoughts and calls of one answer; then it is broken
constexpr std::size_t kRequestTools = 4096;  ///< of one request; no provider takes as many
constexpr std::size_t kFieldsTold = 100;     ///< fields of one request that are told as dropped or refused
constexpr std::size_t kFieldName = 128;      ///< bytes of one of their names
constexpr std::size_t kErrorText = 2 * KiB;  ///< of a provider's error that is no JSON

// Journal.
constexpr std::size_t kSegmentBytes = 64 * MiB;
constexpr auto kOutcomeLag = 50ms;  ///< durability: disk; an outcome waits so long for the sync of an intent
constexpr int kRefusalsPerSecond = 10;  ///< recorded refusals before authentication, per reason

}  // namespace sallyport::limits
