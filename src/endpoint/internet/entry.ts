/** What a room loads that reaches beyond its networks. */

export { deriveRoomKey } from '../../rendezvous/room-key.ts'
export { Internet } from './internet.ts'
export { checkInternet } from './internet-settings.ts'
