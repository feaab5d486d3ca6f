import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { decodeRule, type Rule, type RuleFilter, ruleDump } from '../wire/rule.ts';
import { list } from './verbs.ts';

export interface RuleVerbs {
  /** In the order in which the kernel asks them. @throws NetlinkError */
  list(socket: NetlinkSocket, filter: RuleFilter): Promise<Rule[]>;
}

/** `ip -4 rule show`, `ip -6 rule show`: `await rules.list(socket, { family: 4 })`. Weft reads them and makes none. */
export const rules: RuleVerbs = {
  list: (socket, filter) => list(socket, ruleDump(filter), decodeRule),
};
