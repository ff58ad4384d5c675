/** A ready lobby: <party-screen> and <party-phone>, custom elements over the SDK. README.md tells how to use them. */

import type { AudienceOptions, CreateOptions, JoinOptions, Party } from './party-sockets.js';

/** What a phone's player is called, and has chosen. All of it comes from a stranger's browser: show it as text. */
export interface LobbyPlayer {
  /** The index of the seat, as in `party.peers`. */
  readonly index: number;
  /** At most 16 characters, which nobody else has. */
  readonly name: string;
  readonly isReady: boolean;
  /**
   * The values of the page's own fields in `<party-phone>`, by their names. At most 16, of 200 characters each. Where
   * several may be chosen, each has a line. What is not chosen is an empty text.
   */
  readonly fields: Readonly<Record<string, string>>;
}

export interface ScreenPlayer extends LobbyPlayer {
  /** Whether the player's connection is broken, and the room holds the seat. */
  readonly isAway: boolean;
}

/**
 * What an element shows: that it is on its way in, the phone's name form, the lobby, the game, or why there is no
 * party. It is the attribute `phase`, too, for the page's style.
 */
export type Phase = 'entering' | 'name' | 'lobby' | 'game' | 'over';

export interface LobbyEvents {
  /** There is a party; another one, when the first one was over. */
  party: CustomEvent<Party>;
  /** The game starts; or it goes on, after a reload. */
  start: CustomEvent<undefined>;
  /** Back to the lobby, or the party is over. */
  stop: CustomEvent<undefined>;
  /**
   * There is no party, or no more: an ErrorCode, a CloseReason, `code` (the phone asks for it) or `mistake` (of the
   * page's author); and more words, which are not for the player.
   */
  end: CustomEvent<{ reason: string; message?: string }>;
}

export interface ScreenEvents extends LobbyEvents {
  /** Somebody came, left, is ready, away or back. */
  players: CustomEvent<ScreenPlayer[]>;
  /** An item of the list was filled: `item.children` are name, status and button. Give it a colour, or other words. */
  item: CustomEvent<{ item: HTMLLIElement; player: ScreenPlayer }>;
}

export type Texts = Record<string, string>;

/** All texts by language: change them, or add a language. */
export const texts: Record<string, Texts>;

declare class Lobby<Events extends LobbyEvents> extends HTMLElement {
  /** Null before there is one, and when it is over. */
  readonly party: Party | null;
  readonly isStarted: boolean;
  /** Texts in place of those of the module, such as `{ start: 'Go!' }`. Call `update()` if you set them later. */
  texts: Texts;
  /** What the element remembers, of this tab or this origin: of a phone, its `name` and the `room` of last time. */
  known: Record<string, unknown>;
  /** Shows everything anew. */
  update(): void;
  /** Says a text to those who hear the page, in the element's live region. */
  say(text: string): void;

  addEventListener<Name extends keyof Events>(
    name: Name,
    listener: (event: Events[Name]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    name: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

export class PartyScreen extends Lobby<ScreenEvents> {
  /** More options of `Party.create`. Set them before the element begins: in the script that imports this module. */
  options: Omit<CreateOptions, 'signal' | 'protocol'>;
  /** Those who have a seat and a name, in the order in which they came. */
  readonly players: ScreenPlayer[];
  /** Everybody who has a seat. The name of who has none yet is empty. */
  readonly seats: ScreenPlayer[];
  /** Starts the game, here and on the phones. */
  start(): void;
  /** Goes back to the lobby, here and on the phones. */
  stop(): void;
}

export class PartyPhone extends Lobby<LobbyEvents> {
  /** More options of `Party.join`. Set them before the element begins: in the script that imports this module. */
  options: Omit<JoinOptions, 'signal' | 'protocol'> & AudienceOptions;
  /** Who this phone is, as the screen has it. Null: there is no party, or no name yet. */
  readonly player: LobbyPlayer | null;
  /**
   * Joins another room, by its code or link, and leaves the one in which the phone is. The later of two calls counts.
   * Rejects only for a mistake of the page's author; `end` tells all other reasons.
   */
  join(codeOrLink: string, password?: string): Promise<void>;
}

declare global {
  interface HTMLElementTagNameMap {
    'party-screen': PartyScreen;
    'party-phone': PartyPhone;
  }
}
