/**
 * What is different in messages of an upstream server for a client that sees only some of it, or sees
 * it among others.
 *
 * @module
 */
import type { View } from "../../catalog/view.ts";
import type { Principal } from "../../domain/principal.ts";
import type { UpstreamServer } from "../../domain/server.ts";
import type { InboundEdits } from "./inbound.ts";

/** @param subscriptions URIs of the server: what is below one of them may be on no list */
export function viewEdits(
  view: View,
  viewer: Principal | undefined,
  server: UpstreamServer,
  subscriptions: readonly string[],
): InboundEdits {
  const renamed = view.renaming(server);
  const isListed = (viewer: Principal, uri: string) =>
    view.resolve(viewer, renamed?.(uri) ?? uri).some(({ binding }) =>
      binding.server.id === server.id
    );
  return {
    renamed,
    isShown: (uri) =>
      viewer !== undefined && view.isOpen(viewer, server, uri) &&
      (isListed(viewer, uri) || subscriptions.some((one) => isBelow(uri, one))),
  };
}

function isBelow(uri: string, parent: string): boolean {
  return uri.startsWith(parent) &&
    (parent.endsWith("/") || /^[/?#]/.test(uri.slice(parent.length)));
}
