/**
 * The version of this program, in releases and in what it tells clients and servers.
 *
 * @module
 */
export const VERSION = "0.1.0";
