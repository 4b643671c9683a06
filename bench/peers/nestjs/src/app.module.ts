import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { SessionsGateway } from './sessions.gateway';
import { SessionsService } from './sessions.service';

@Module({
  imports: [
    JwtModule.register({
      secret: process.env.SECRET,
      verifyOptions: { algorithms: ['HS256'], clockTolerance: 30 },
    }),
  ],
  providers: [SessionsGateway, SessionsService],
})
export class AppModule {}
