/**
 * The table of audit records on each database; see `tests/contract/audit_table.ts`.
 *
 * @module
 */
import { auditTablePromises } from "../contract/audit_table.ts";

auditTablePromises();
