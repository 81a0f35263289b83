/**
 * Every hard upper bound of the program, each with its reason. What an operator may choose is a
 * setting (`config/entries.ts`) instead.
 *
 * @module
 */
export const LIMITS = {
  /** Nothing in MCP nests deeper; deeper input only exists to exhaust recursive readers. */
  jsonDepth: 64,
  /** Members plus elements of one request; a 4 MiB body of zeros would otherwise be two million. */
  jsonNodes: 50_000,
  /** Keys are names of things; a longer one is an attack on hash tables or logs. */
  jsonKeyBytes: 1024,
  /** A request id is echoed in every reply and kept while the call runs. */
  requestIdChars: 256,
  /** The id of an answer to an upstream server holds the server's name and its own id. */
  responseIdChars: 4096,
  /** Larger than any legitimate credential plus the headers of MCP. */
  requestHeaderBytes: 16 * 1024,
  requestUriBytes: 8 * 1024,
  /** A token is hashed before anything else is done with it. */
  tokenBytes: 8 * 1024,
  subjectChars: 255,
  /** Of a `kid`: it names one of a few keys. */
  keyIdChars: 128,
  /** An issuer's own document, or its keys: real ones have under 20 KiB. */
  keyReplyBytes: 256 * 1024,
  /** For both together; requests wait for it. */
  keyReplyMs: 5_000,
  /** Keys of one issuer that are looked at. */
  keysPerIssuer: 100,
  /** Users that proxies name, of whom what is kept for them is found again at once. */
  proxyUsers: 10_000,
  /** External issuers: a token is for one of them, and each has its keys in memory. */
  oidcIssuers: 50,
  /** How long an issuer's keys are used before they are asked for again. */
  keysFreshMs: 5 * 60_000,
  /** How long they are used when they cannot be had again. */
  keysStaleMs: 3_600_000,
  /** Between two requests for one issuer's keys, whatever tokens name. */
  keysRetryMs: 30_000,
  /** Span in which failed attempts are counted; as long as `Retry-After` says. */
  failuresMs: 30_000,
  /** Failed attempts of one source, and for one subject, that are answered as such. */
  failuresAnswered: 500,
  /**
   * Failed attempts of one source beyond which no further credential of it is verified: at 1 ms each,
   * a sixth of a processor. A source may be a proxy that nobody has listed, with everybody behind it.
   */
  failuresVerified: 5_000,
  /** Failed attempts that a source is never held back for, whatever others do. */
  failuresFree: 10,
  /** Sources, and subjects, whose failures are counted at once. */
  failuresTracked: 10_000,
  /** Budgets of rates kept at once, of each kind, at about 200 bytes each. */
  rateKeys: 100_000,
  /** Of a message over its limit the id is read for the answer, unless that costs much. */
  refusedBodyBytes: 16 * 1024,
  /** Slow-body defence: a 4 MiB body within this time needs 140 KiB/s. */
  requestBodyMs: 30_000,
  /** Response headers of an upstream; Node's own default is 16 KiB. */
  upstreamHeaderBytes: 64 * 1024,
  upstreamHeaderLines: 100,
  /** What all calls together may hold of upstream bytes before new ones are refused with 503. */
  upstreamBytesTotal: 256 * 1024 * 1024,
  /** Idle keep-alive connections to one upstream. Above it, connections close after their reply. */
  idleConnectionsPerOrigin: 64,
  /** Node closes idle connections after 5 s without saying so to old clients: leave before that. */
  idleConnectionMs: 4_000,
  /** Verified credentials kept; at about 1 KiB each this is 20 MiB at most. */
  verifiedTokens: 20_000,
  /** Bytes waiting for a client that reads slowly, per stream, before upstream reading pauses. */
  streamBufferBytes: 64 * 1024,
  /** Of an upstream server's session id and event ids: they are kept, and sent back in headers. */
  upstreamSessionIdChars: 1024,
  upstreamEventIdChars: 1024,
  /** `Last-Event-ID` of a client; the gateway's own are about 90 characters. */
  lastEventIdChars: 256,
  /** The id of an upstream server's question: it is kept while the question is open. */
  questionIdBytes: 1024,
  /** Questions that one call, or one session outside of calls, may have open at once. */
  questionsOpen: 1000,
  /** Sessions at upstream servers that stateless callers share: one per server and client. */
  sharedSessionsPerPrincipal: 256,
  sharedSessions: 4_000,
  /** Calls that wait for their client to come back with answers; each holds an upstream reply. */
  parkedCalls: 1_000,
  parkedCallsPerPrincipal: 64,
  /** What upstream servers have said meanwhile, all parked calls together. */
  parkedBytes: 64 * 1024 * 1024,
  /** Questions that one call asks at once: they go to the client in one answer. */
  askedBytes: 1024 * 1024,
  /** The gateway's own has about 300. */
  requestStateChars: 4_096,
  /** URLs that one error asks the user to open. */
  urlQuestions: 32,
  /** Questions in one result that asks, and times that one call is sent again with answers. */
  inputRequests: 64,
  inputRounds: 16,
  /** Answers to such questions together: as much as one request may have. */
  inputAnswersBytes: 4 * 1024 * 1024,
  /** Header lines that repeat what stands in a body: servers take 16 KiB of headers in all. */
  mirrorLinesBytes: 12 * 1024,
  /** Tools whose headers were read from a server itself, per server; the catalog has the others. */
  toolHeadersRead: 100,
  /** Pages of its list that are read for one of them. */
  toolPagesRead: 50,
  /** Members of a batch (2025-03-26 only). */
  batchMembers: 50,
  /** Per stream; together with the number of events it bounds what a client can come back for. */
  eventBytesPerStream: 1024 * 1024,
  /** Streams of one session that can be resumed; a client resumes the one or two it has just lost. */
  streamsPerSession: 64,
  /** All events that are kept: in memory, and in the file. */
  eventBytesInMemory: 256 * 1024 * 1024,
  eventBytesOnDisk: 2 * 1024 * 1024 * 1024,
  /** Those of one process in Redis, which several share. */
  eventBytesInRedis: 256 * 1024 * 1024,
  /** A client that takes nothing for so long is cut off; it can resume. */
  stalledClientMs: 10_000,
  /** How long a client of the transport of 2024-11-05 may be away before its session ends. */
  sseAwayMs: 60_000,
  /** From its stream's beginning to its `initialize`: people try it by hand. */
  sseGreetingMs: 5 * 60_000,
  /** Large answers that wait for such clients, all together: a part of `upstreamBytesTotal`. */
  sseWaitingBytes: 64 * 1024 * 1024,
  /** Refusals of its `initialize` that it has not read. */
  sseUnread: 100,
  /** Uris that one session subscribes to; each is asked for again with a new upstream session. */
  subscriptionsPerSession: 1000,
  /** What callers see of an endpoint: as many as there are combinations of teams. */
  callerViews: 256,
  /** Of these, what they see of one server; what most of them see is one. */
  callerRuns: 16,
  /** Items of a view that is made at once, within a millisecond or two; others are made in slices. */
  viewItemsAtOnce: 2000,
  /** Characters of templates times characters of the URI that they are tried on: about 50 ms. */
  templateWork: 50_000_000,
  /** One page of a list that the gateway answers itself: many clients ask for the first page only. */
  listPageItems: 1000,
  listPageBytes: 1024 * 1024,
  /** Pages of lists that are kept as text, of all endpoints and callers together. */
  listPagesBytes: 8 * 1024 * 1024,
  /** Instructions of a view, made of those of its servers: models read all of it. */
  instructionsChars: 32 * 1024,
  /** A token endpoint's answer; one token and a few words about it. */
  tokenReplyBytes: 64 * 1024,
  /** For that answer; calls wait for it. */
  tokenReplyMs: 10_000,
  /** A token is asked for again at least so often, however long it is said to last. */
  tokenMsMax: 24 * 3_600_000,
  /** How long no token is asked for after one was refused or did not come; 1 s at first. */
  tokenRetryMs: 4_000,
  /** How long a server may keep the gateway from asking again (`Retry-After`). */
  retryAfterMs: 5 * 60_000,
  /** Requests that wait for a place at one upstream server: each holds its message. */
  upstreamWaiting: 512,
  /** For so long: whoever has waited for seconds is better told, and may come back. */
  upstreamWaitMs: 5_000,
  /** Health checks under way at once; one that hangs gives its place up at its deadline. */
  healthChecksAtOnce: 8,
  /** Parameters of `initialize`, which are kept with the session. */
  initializeBytes: 64 * 1024,
  /** Read whole and parsed in one go while calls run; a thousand servers take a third of this. */
  configFileBytes: 1024 * 1024,
  /** Log lines about one refused config file. */
  configProblemsLogged: 100,
  /** Looks at a config file that does not stop changing, before the next turn. */
  configSettleReads: 20,
  /** What one upstream server may offer of each kind; it is all kept in memory. */
  itemsPerKind: 10_000,
  /** Of a name, a URI or a URI template: each is a key, and part of log lines and headers. */
  itemNameBytes: 1024,
  /** Names of one list together. */
  itemNamesBytes: 1024 * 1024,
  /** One definition; the largest known tools, with schemas of hundreds of members, have a tenth. */
  definitionBytes: 256 * 1024,
  /** Definitions of one list together. */
  definitionsBytes: 32 * 1024 * 1024,
  /** Of one list; servers with pages of five items still show all that are kept. */
  listPages: 2000,
  /** A cursor is the server's own state; it is kept for as long as its list is read. */
  cursorChars: 8 * 1024,
  /** Reported items that were left out, per upstream server. */
  droppedItems: 100,
  /** Capabilities, `serverInfo` and instructions of an upstream server, each. */
  describedBytes: 64 * 1024,
  /** Answers to questions of one server that are on their way at once; more are not answered. */
  ownAnswersOpen: 16,
  /** Upstream servers that are discovered at once. */
  discoveriesAtOnce: 8,
  /** Of a URI that is looked up among templates: as long as one on the wire may be. */
  uriChars: 8 * 1024,
  /** Real templates have under 200 characters; some name many parameters of a query. */
  uriTemplateChars: 2 * 1024,
  uriTemplateVariables: 64,
  /** Literals and variables, all parameters of a query as one: each is one pass over the URI. */
  uriTemplateParts: 24,
  /** Of an input schema that is checked by; larger ones are for the upstream server alone. */
  schemaChars: 256 * 1024,
  /** Schemas plus keywords in it; compiling takes 15 to 60 µs for each, in one go. */
  schemaKeywords: 600,
  /** Compiled ones kept, at 10 to 200 KiB each; tools that nobody calls are not compiled. */
  schemasCompiled: 1_000,
  /** What checking the arguments of one call may cost, at about 100 ns each. */
  checkUnits: 200_000,
  /** Patterns in schemas; validation libraries write some of 600 characters. */
  patternChars: 2_048,
  /** Instructions of the program that a pattern becomes; compiling takes up to 5 µs for each. */
  patternProgramSize: 3_000,
  patternsKept: 1_000,
  /** Texts beyond these lengths are not matched: no pattern or format is about such a text. */
  patternedChars: 64 * 1024,
  formattedChars: 2 * 1024,
  /** Of a request to an API, path and query; common servers take 8 KiB. */
  restTargetChars: 8 * 1024,
  /** Of an API's refusal: what is read of it, and what is shown. */
  restErrorBytes: 256 * 1024,
  restErrorShownBytes: 64 * 1024,
  /** Sets of credentials that REST tools share access tokens by. */
  restAccesses: 1000,
  /** Members and elements of a reply that is given on as structure, and not as text alone. */
  restReplyNodes: 500_000,
  /** A filter: what is written by hand has under 500 characters. */
  filterChars: 4 * 1024,
  /** Steps that one filter may take, at 0.2 to 1 µs each. */
  filterSteps: 100_000,
  /** An OpenAPI document as text: JSON of that size is parsed in 15 ms, in one go. */
  openApiChars: 4 * 1024 * 1024,
  /** For such a document at a URL. */
  documentReplyMs: 10_000,
  openApiDepth: 100,
  /** Values in it, those that YAML names twice counted twice. */
  openApiNodes: 1_000_000,
  openApiOperations: 5_000,
  /** Of each kind in an export document of the reference system; less than that fits in here. */
  referenceEntries: 10_000,
  /** Times that YAML may name again what it has named, all that this comes to included. */
  yamlAliases: 1_000,
  /** Of the schema of one imported tool: all of it is checked by, see `schemaKeywords`. */
  importedKeywords: 500,
  importedArguments: 200,
  importedSchemaChars: 64 * 1024,
  /** Description of an imported tool. */
  importedDescriptionChars: 4 * 1024,
  /** Body of a request to the management API: the largest record is a server with its overrides. */
  apiBodyBytes: 1024 * 1024,
  /** The same of an import: a document as text, in which every second character is escaped. */
  apiImportBytes: 8 * 1024 * 1024,
  /** Of each kind in a bundle that comes through the API. */
  bundleEntries: 10_000,
  /** The same of an import at the command line: a bundle of everything that can be made. */
  bundleBytes: 256 * 1024 * 1024,
  /** Places that one refusal names. */
  apiFaults: 100,
  /** Records on one page of a list, and what the definitions on it may come to. */
  apiPageItems: 500,
  apiPageBytes: 2 * 1024 * 1024,
  /** Names of items that one answer lists, for each way in which they changed. */
  apiNamesListed: 1000,
  /** Upstream servers, and virtual servers, made through the API: all are kept in memory. */
  apiServers: 5000,
  /** The gateway's own items: all are kept in memory, with their contents. */
  ownItems: 5000,
  ownItemsChars: 64 * 1024 * 1024,
  /** Of one of them. */
  ownMessages: 100,
  ownContents: 100,
  ownArguments: 64,
  ownParameters: 256,
  ownArgumentValues: 1000,
  /** Places for values in one text, and sections within sections. */
  templateTags: 5000,
  templateDepth: 16,
  /** All texts of a prompt or resource, with values in them. */
  renderedChars: 1024 * 1024,
  /** Of one answer. @see MCP 2026-07-28, Utilities, "Completion" */
  completions: 100,
  /** What a server logs to the gateway itself: one message that is looked at. */
  serverMessageBytes: 64 * 1024,
  /** One line that a stdio server writes to its log; what is behind it is cut off. */
  stdioLogLineBytes: 4 * 1024,
  /** Such lines within `stdioLogMs`: a server must not fill the gateway's log. */
  stdioLogLines: 100,
  stdioLogMs: 10_000,
  /**
   * What a server on one channel (a child process, one event stream of 2024-11-05) says to nobody in
   * particular while nobody listens: the newest is kept.
   */
  channelUnheardMessages: 100,
  channelUnheardBytes: 256 * 1024,
  /** Of one channel; those of one session, or of one caller. */
  channelRequestsOpen: 1000,
  /** Event streams of 2024-11-05 at upstream servers; each client session has one at each. */
  sseChannels: 2000,
  /** Where such a server takes messages, as it says it. */
  sseEndpointBytes: 2 * 1024,
  /** Waiting for a stdio server that does not read; beyond it, messages are refused. */
  stdioInputBytes: 1024 * 1024,
  /** Questions to the database that wait or run; each holds what it will write. */
  databaseWaiting: 1000,
  /** Connections to PostgreSQL: its default allows 100, and there are several replicas. */
  databaseConnections: 10,
  /** Wait for a free one of these connections: a busy database is told, not queued for. */
  databasePoolMs: 1000,
  databaseConnectMs: 3_000,
  /** One statement; the largest takes milliseconds. */
  databaseStatementMs: 5_000,
  /** Between two statements of a transaction, which holds locks meanwhile. */
  databaseIdleMs: 15_000,
  /** Wait for what another transaction has locked: each that waits has one of the connections. */
  databaseLockMs: 3_000,
  /** Wait of a process that starts for another one to bring the database to its form. */
  databaseMigrationMs: 20_000,
  /** A question that is asked every second, connecting included. */
  databasePollMs: 3_000,
  /** Silence of PostgreSQL: more than connecting and a migration may take together. */
  databaseSilentMs: 25_000,
  /** Runs of a transaction that PostgreSQL gave up in favour of another one. */
  databaseAttempts: 5,
  /** Compiled statements kept for SQLite; the gateway has about a hundred different ones. */
  sqliteStatements: 200,
  /** Commands to Redis that wait for their answers: it is silent, and will be given up. */
  redisWaiting: 10_000,
  /** Replicas of whose signals the last one is remembered; those that ended do not come again. */
  replicasHeard: 1_000,
  /** Rows, and characters of them, that one statement moves before others get their turn. */
  databaseSliceRows: 64,
  databaseSliceChars: 128 * 1024,
  /** The same of what one statement reads, by what the one before it gave. */
  databasePageChars: 1024 * 1024,
  /** Changes kept for replicas that follow: at one per second, almost three hours. */
  changesKept: 10_000,
  /** Changes taken over one by one; behind more, reading everything again is less work. */
  changesRead: 1000,
  /** One text in an audit record; names are shorter, and what is not is an attack on readers. */
  auditTextChars: 256,
  /** One write to an audit file, so that at a start its end is found near the end of the file. */
  auditWriteBytes: 512 * 1024,
  /** An audit file, so that old ones can be removed one by one. */
  auditFileBytes: 64 * 1024 * 1024,
  /** Kinds of refusals that are told apart when equal ones are counted. */
  auditRefusals: 1000,
  /** Arguments up to this size are hashed by their values, larger ones as they were written. */
  auditArgumentBytes: 64 * 1024,
} as const;
