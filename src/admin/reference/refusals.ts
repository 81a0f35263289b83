/**
 * What the gateway would refuse although it has the right form. An import is all or nothing: of the
 * document of another system such an entry is left out, so that the others can be taken.
 *
 * @module
 */
import { FaultyRequest, GatewayError } from "../../domain/errors.ts";
import type { UpstreamAuth } from "../../domain/server.ts";
import type { BundleList } from "../api/bundle.ts";
import type { ToolDeps } from "../api/tools.ts";
import { createNouns } from "../transfer/nouns.ts";
import { shown } from "./entry.ts";

export interface RefusalDeps extends Pick<ToolDeps, "schemaFault"> {
  /** @throws {GatewayError} `egress_denied` */
  readonly checkUrl: (url: URL) => void;
}

/** Why there can be no such record, as one sentence. */
export type RefusalOf = (list: BundleList, entry: object) => string | undefined;

interface Given {
  readonly url?: string;
  readonly auth?: UpstreamAuth;
}

export function createRefusals({ checkUrl, schemaFault }: RefusalDeps): RefusalOf {
  const nouns = createNouns({ schemaFault });

  function check(list: BundleList, entry: object): void {
    const { enabled: _, visibility: _v, teamId: _t, owner: _o, ...members }: Given & Audience =
      entry;
    nouns.find(({ plural }) => plural === list)?.specOf(members, undefined);
    if (list !== "upstreams" && list !== "tools") return;
    checkUrl(new URL(members.url!));
    if (members.auth?.type === "oauth_client_credentials") {
      checkUrl(new URL(members.auth.tokenUrl));
    }
  }

  return (list, entry) => {
    try {
      check(list, entry);
      return undefined;
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      const [fault] = error instanceof FaultyRequest ? error.faults : [];
      return fault === undefined
        ? error.message
        : `"${shown(fault.path)}" does not fit: ${shown(fault.message)}`;
    }
  };
}

/** Who it is for is said in another way, and refused in another place. */
interface Audience {
  readonly enabled?: boolean;
  readonly visibility?: string;
  readonly teamId?: string;
  readonly owner?: string;
}
