/**
 * Messages of the transport of 2024-11-05 whose event stream another replica has: they are delivered
 * there.
 *
 * @module
 */
import { principalFrom, type ToldPrincipal, toldPrincipal } from "../domain/principal.ts";
import { NotThere, type Remote } from "../events/remote.ts";
import type { Endpoint } from "../mcp/endpoint.ts";
import { type Batch, type ClientMessage, decodeClientBody } from "../mcp/message.ts";
import type { Refusal } from "../mcp/refusal.ts";
import type { Visitor } from "../mcp/session/endpoint.ts";
import { SessionNotFound } from "../mcp/session/session.ts";
import { ownerOfChannel } from "./sse_channels.ts";

/** Takes a message for a channel of this replica; gives what its server has refused it with. */
export type Deliver = (
  id: string,
  visitor: Visitor,
  message: ClientMessage | Batch,
) => Promise<Refusal | undefined>;

export interface ChannelsElsewhere {
  /** Whether the channel with this id is another replica's. */
  readonly hasChannel: (id: string) => boolean;
  /** @throws {SessionNotFound} when that replica is gone, and as `Deliver` */
  readonly post: (id: string, visitor: Visitor, body: Uint8Array) => Promise<Refusal | undefined>;
}

export interface ChannelsElsewhereDeps {
  readonly remote: Remote;
  readonly endpointOf: (key: string) => Endpoint | undefined;
}

interface Handed {
  readonly id: string;
  readonly endpoint: string;
  readonly principal: ToldPrincipal;
  readonly correlationId: string;
  readonly address: string;
  readonly version: string | undefined;
  readonly clientHeaders: readonly (readonly [string, string])[];
}

const KIND = "post to an event stream";

export function createChannelsElsewhere(
  { remote, endpointOf }: ChannelsElsewhereDeps,
  deliver: Deliver,
): ChannelsElsewhere {
  remote.serve(KIND, async function* ({ about, body }) {
    const { id, endpoint: key, principal, address, clientHeaders, ...rest } = about as Handed;
    const endpoint = endpointOf(key);
    if (endpoint === undefined) throw new SessionNotFound();
    const visitor: Visitor = {
      principal: principalFrom(principal),
      endpoint,
      address: () => address,
      ...rest,
      clientHeaders: new Map(clientHeaders),
    };
    const refusal = await deliver(id, visitor, decodeClientBody(body!));
    yield { about: refusal?.status, body: refusal?.body };
  });

  return {
    hasChannel(id) {
      const owner = ownerOfChannel(id);
      return owner !== undefined && owner !== remote.self;
    },
    async post(id, visitor, body) {
      const { principal, endpoint, clientHeaders, correlationId, version, address } = visitor;
      const about: Handed = {
        id,
        endpoint: endpoint.key,
        principal: toldPrincipal(principal),
        correlationId,
        address: address(),
        version,
        clientHeaders: [...clientHeaders],
      };
      const told = await remote.tell(ownerOfChannel(id)!, KIND, { about, body }).catch((error) => {
        throw error instanceof NotThere ? new SessionNotFound() : error;
      });
      const status = told?.about;
      return typeof status === "number" ? { status, body: told!.body! } : undefined;
    },
  };
}
